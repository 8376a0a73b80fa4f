"""The Public API of a whole midstream, asked over its port as anybody would."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx

from tests.whole import Whole


async def token_of(whole: Whole, *arguments: str) -> str:
    """Make a token on the command line."""
    made = await asyncio.to_thread(whole.run, "token", "create", *arguments)
    assert made.returncode == 0, made.stderr
    return made.stdout.strip()


def client(whole: Whole, token: str) -> httpx.AsyncClient:
    """Return a client of the API. Its user closes it."""
    headers = {"authorization": f"Bearer {token}"}
    return httpx.AsyncClient(base_url=whole.base_url, headers=headers, timeout=30, trust_env=False)


async def ask(api: httpx.AsyncClient, method: str, path: str, body: Any = None) -> Any:
    """Ask, and return the answer's data."""
    answer = await api.request(method, path, json=body)
    assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
    return answer.json()["data"]
