"""What is stored of secrets."""

from __future__ import annotations

from midstream.domain.bearer import hash_of


def test_what_is_stored_is_the_sha_256_that_databases_hold_already() -> None:
    # printf wk_planted_key_1 | sha256sum
    assert hash_of("wk_planted_key_1") == "246b77094ae88ef94fe8bdf6a770e68c6504adeb4f4b5824ad492e2c699f2f74"
