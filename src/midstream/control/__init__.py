"""Use cases: every change of sources, destinations, functions and instances, one transaction each.

Each file has its steps on an open transaction (`add_…`, `change_…`), which `apply` strings together, and the same steps
as a transaction of their own (`create_…`, `update_…`). Nothing here is read by the event path.
"""
