from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from midstream.errors import ConfigError, Invalid
from midstream.secrets import Vault


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return tmp_path / "data" / "master.key"


@pytest.mark.parametrize("value", ["s3cret", "", "päßwörd 🔑", True, ["a", "b"], {"Authorization": "Bearer x"}, None])
def test_what_is_sealed_can_be_opened_again(key: Path, value: Any) -> None:
    vault = Vault.open(key)
    assert vault.unseal(vault.seal(value, owner="ifi_1", name="salt"), owner="ifi_1", name="salt") == value


def test_a_sealed_value_opens_for_its_own_owner_and_name_only(key: Path) -> None:
    vault = Vault.open(key)
    sealed = vault.seal("s3cret", owner="ifi_1", name="salt")
    for owner, name in (("ifi_2", "salt"), ("ifi_1", "pepper"), ("ifi_1s", "alt")):
        with pytest.raises(Invalid, match=f"setting '{name}' of {owner} cannot be decrypted"):
            vault.unseal(sealed, owner=owner, name=name)


def test_two_seals_of_one_value_differ_and_neither_shows_it(key: Path) -> None:
    vault = Vault.open(key)
    seals = {vault.seal("s3cret", owner="ifi_1", name="salt") for _ in range(2)}
    assert len(seals) == 2
    assert not any("s3cret" in sealed for sealed in seals)


def test_the_key_file_is_made_once_for_its_owner_alone(key: Path) -> None:
    sealed = Vault.open(key).seal("s3cret", owner="dst_1", name="shared_secret")
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert [path.name for path in key.parent.iterdir()] == ["master.key"]
    assert Vault.open(key).unseal(sealed, owner="dst_1", name="shared_secret") == "s3cret"


def test_a_keyset_given_as_text_needs_no_file(key: Path) -> None:
    sealed = Vault.open(key).seal("s3cret", owner="dst_1", name="x")
    assert Vault.open(None, key.read_text()).unseal(sealed, owner="dst_1", name="x") == "s3cret"


def test_neither_file_nor_text_is_a_configuration_error() -> None:
    with pytest.raises(ConfigError, match="set MIDSTREAM_MASTER_KEY"):
        Vault.open(None)


@pytest.mark.parametrize("content", [b'{"primaryKeyId": "k3ymat"', b"k3ymat", b"\xff\xfek3ymat", b"{}", b""])
def test_an_unreadable_key_file_is_refused_and_left_as_it_is(key: Path, content: bytes) -> None:
    key.parent.mkdir()
    key.write_bytes(content)
    with pytest.raises(ConfigError, match="restore it from a backup") as caught:
        Vault.open(key)
    assert key.read_bytes() == content
    assert "k3ymat" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_a_value_sealed_with_a_lost_key_is_invalid_and_says_what_to_do(key: Path, tmp_path: Path) -> None:
    sealed = Vault.open(key).seal("s3cret", owner="ifi_1", name="salt")
    with pytest.raises(Invalid, match="bring back the key") as caught:
        Vault.open(tmp_path / "other.key").unseal(sealed, owner="ifi_1", name="salt")
    assert "s3cret" not in str(caught.value)
    with pytest.raises(Invalid):
        Vault.open(key).unseal("not base64!", owner="ifi_1", name="salt")


def test_all_who_start_at_once_get_the_same_key(key: Path) -> None:
    barrier = Barrier(8)

    def start(_: int) -> Vault:
        barrier.wait()
        return Vault.open(key)

    with ThreadPoolExecutor(8) as threads:
        vaults = list(threads.map(start, range(8)))
    for vault in vaults:
        sealed = vault.seal("s3cret", owner="ifi_1", name="salt")
        assert all(other.unseal(sealed, owner="ifi_1", name="salt") == "s3cret" for other in vaults)
    assert [path.name for path in key.parent.iterdir()] == ["master.key"]
