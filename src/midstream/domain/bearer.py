"""Secrets that are good for whoever bears them: write keys, tokens, and what is in cookies and the links of invites."""

from __future__ import annotations

import hashlib


def hash_of(secret: str) -> str:
    """Return what is stored of a secret. It is random enough that a plain hash cannot be turned back."""
    return hashlib.sha256(secret.encode()).hexdigest()
