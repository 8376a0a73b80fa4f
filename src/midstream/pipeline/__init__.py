"""The event path, three rooms, only downwards: ingest accepts, deliver decides, settle stores; then the batch is acked.

It reads a frozen snapshot and never imports the control plane: a broken database or page does not stop delivery.
"""
