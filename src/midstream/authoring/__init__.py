"""The author's loop: write a function, look it over, try it, hold it to its cases. None of it needs a server.

Enters: code, settings, events, recorded answers. Leaves: results as the Test tab shows them, diagnoses, verdicts. Code
runs in the same runtime as in production, in a process of its own for every trial.
"""
