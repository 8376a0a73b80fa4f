"""HTTP for machines. Today: operations. The Public API gets its rooms here, one router a resource."""
