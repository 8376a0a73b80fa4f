"""How often one may try, counted by account and by address."""

from __future__ import annotations

import time

import pytest

from midstream.control.throttle import Throttle, network_of


async def test_an_account_is_closed_for_a_while_from_everywhere() -> None:
    throttle = Throttle(account=3, address=100)
    assert [await throttle.attempt("ann@example.com", f"192.0.2.{each}") for each in range(3)] == [None] * 3
    wait = await throttle.attempt("ann@example.com", "192.0.2.9")
    assert wait is not None
    assert 890 < wait <= 900
    assert await throttle.attempt("bob@example.com", "192.0.2.9") is None


async def test_an_address_is_closed_for_all_accounts() -> None:
    throttle = Throttle(account=100, address=3)
    for each in range(3):
        assert await throttle.attempt(f"{each}@example.com", "192.0.2.1") is None
        await throttle.failed("192.0.2.1")
    assert await throttle.attempt("ann@example.com", "192.0.2.1") is not None
    assert await throttle.attempt(None, "192.0.2.1") is not None
    assert await throttle.attempt("ann@example.com", "192.0.2.2") is None


async def test_signing_in_clears_the_account_and_not_the_address() -> None:
    throttle = Throttle(account=2, address=3)
    for _ in range(3):
        assert await throttle.attempt("ann@example.com", "192.0.2.1") is None
        await throttle.failed("192.0.2.1")
        await throttle.succeeded("ann@example.com")
    assert await throttle.attempt("ann@example.com", "192.0.2.2") is None
    assert await throttle.attempt("ann@example.com", "192.0.2.1") is not None


async def test_an_office_that_signs_in_in_the_morning_is_not_kept_out() -> None:
    throttle = Throttle()
    assert {await throttle.attempt(f"{each}@example.com", "192.0.2.1") for each in range(500)} == {None}


async def test_a_closed_account_opens_again_when_the_window_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    throttle = Throttle(account=1)
    assert await throttle.attempt("ann@example.com", "192.0.2.1") is None
    assert await throttle.attempt("ann@example.com", "192.0.2.1") is not None
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 901)
    assert await throttle.attempt("ann@example.com", "192.0.2.1") is None


async def test_a_refusal_is_worth_one_note_a_window_and_the_trail_is_not_flooded() -> None:
    throttle = Throttle()
    assert await throttle.worth_noting("wrong password", "ann")
    assert not await throttle.worth_noting("wrong password", "ann")
    assert await throttle.worth_noting("throttled", "ann")
    noted = [await throttle.worth_noting("wrong password", str(each)) for each in range(200)]
    assert sum(noted) == 98


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("testclient", "testclient"),
    ],
)
def test_one_customer_is_one_address(address: str, network: str) -> None:
    assert network_of(address) == network
