"""midstream: insert functions for event streams, on your own machines."""
