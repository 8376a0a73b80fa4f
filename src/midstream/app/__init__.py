"""The composition root: builds everything once, and owns the order of start and stop.

`supervisor` runs in the process a person started; `front` (HTTP) and `back` (a worker) run in its children, which get
their orders on standard input and leave when it closes.
"""
