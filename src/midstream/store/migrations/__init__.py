"""Alembic's folder: `env.py` runs what is in `versions/`, oldest first. They ship with the package.

A change of `schema.py` needs a migration beside it, written by hand: a test fails until the two agree on both engines.
"""
