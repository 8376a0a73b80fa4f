"""Seals the values of sensitive settings: AEAD by tink, bound to their owner and name.

Enters: plain JSON values, on their way into the store. Leaves: base64 text that only this keyset, owner and name open.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import msgspec
import tink
from tink import aead, json_proto_keyset_format, secret_key_access

from midstream.errors import ConfigError, Invalid


class Vault:
    """Holds the master keyset: the primary key seals, every key opens. Nothing it raises or prints has a value or a key."""

    def __init__(self, keyset: tink.KeysetHandle, path: Path | None = None) -> None:
        """Use a keyset that is already read; `open` reads one. `path` is where it may have been rotated meanwhile."""
        self._take(keyset)
        self._path = path

    def _take(self, keyset: tink.KeysetHandle) -> None:
        self._aead = keyset.primitive(aead.Aead)
        # What begins a seal says with which key: a version byte and the key's number (tink's wire format).
        self._prefix = b"\x01" + int(keyset.keyset_info().primary_key_id).to_bytes(4, "big")

    @classmethod
    def open(cls, keyset_path: Path | None, keyset_json: str | None = None) -> Self:
        """Read the keyset from `keyset_json`, else from the file, which is made (mode 0600) when absent.

        Whether a *new* keyset is right is the caller's to judge first: `store.snapshot.holds_secrets` says if
        anything was sealed before. Safe when several processes start at once: all get the same keyset.
        """
        aead.register()
        if keyset_json:
            return cls(_parse(keyset_json, "MIDSTREAM_MASTER_KEY"))
        if keyset_path is None:
            raise ConfigError("no master key: set MIDSTREAM_MASTER_KEY to a tink keyset, or give a file to keep one in")
        try:
            if not keyset_path.exists():
                _create(keyset_path)
            text = keyset_path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not text"
            raise ConfigError(
                f"the master key file {keyset_path} cannot be read or made ({why}): "
                "give this user access to it, restore it from a backup, or set MIDSTREAM_MASTER_KEY"
            ) from None
        return cls(_parse(text, str(keyset_path)), keyset_path)

    def seal(self, value: Any, *, owner: str, name: str) -> str:
        """Encrypt a JSON value for the setting `name` of the object with id `owner`. Never twice the same text.

        Never with a key that was replaced in the meantime either: it may have been replaced because others have it, and
        once it is retired nobody could open what it sealed.
        """
        self._rotated_meanwhile()
        sealed: bytes = self._aead.encrypt(msgspec.json.encode(value), _associated(owner, name))
        return base64.b64encode(sealed).decode("ascii")

    def unseal(self, sealed: str, *, owner: str, name: str) -> Any:
        """Decrypt what `seal` gave for the same owner and name; `Invalid` when that cannot be done."""
        plain = self._opened(sealed, owner, name)
        if plain is None and self._rotated_meanwhile():
            plain = self._opened(sealed, owner, name)
        if plain is None:
            raise Invalid(
                f"setting {name!r} of {owner} cannot be decrypted with the present master key: "
                "bring back the key it was saved with, or save the setting again"
            )
        return msgspec.json.decode(plain)

    def sealed_by_primary(self, sealed: str) -> bool:
        """Say whether it is the primary key that sealed this; after a rotation it is not, until it is sealed anew."""
        try:
            return base64.b64decode(sealed, validate=True).startswith(self._prefix)
        except (binascii.Error, ValueError):
            return False

    def _opened(self, sealed: str, owner: str, name: str) -> bytes | None:
        # No error of tink's gets out, not even chained: it must not bring key material or a payload into a log.
        try:
            plain: bytes = self._aead.decrypt(base64.b64decode(sealed, validate=True), _associated(owner, name))
        except (tink.TinkError, binascii.Error, ValueError):
            return None
        return plain

    def _rotated_meanwhile(self) -> bool:
        """Take over the file's keyset when it has another primary key than the one we know."""
        before = self._prefix
        try:
            if self._path is not None:
                self._take(_parse(self._path.read_text(encoding="utf-8"), str(self._path)))
        except (OSError, UnicodeDecodeError, ConfigError):
            return False
        return self._prefix != before


def rotate(path: Path) -> Vault:
    """Give the keyset in a file a new primary key, and keep the old ones for what they sealed. Return its vault."""
    aead.register()
    keyset, fresh = _document(path), json.loads(_new_keyset())
    while fresh["primaryKeyId"] in {key["keyId"] for key in keyset["key"]}:
        fresh = json.loads(_new_keyset())
    keyset["key"] += fresh["key"]
    keyset["primaryKeyId"] = fresh["primaryKeyId"]
    return _rewritten(path, keyset)


def retire(path: Path) -> Vault:
    """Take all keys but the primary one out of a file. What they sealed, and was not sealed anew, is lost."""
    aead.register()
    keyset = _document(path)
    keyset["key"] = [key for key in keyset["key"] if key["keyId"] == keyset["primaryKeyId"]]
    return _rewritten(path, keyset)


def _document(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"the master key file {path} cannot be read: {error.strerror}") from None
    _parse(text, str(path))
    found: dict[str, Any] = json.loads(text)
    return found


def _rewritten(path: Path, keyset: Mapping[str, Any]) -> Vault:
    draft = _draft(path, json.dumps(keyset, indent=2))
    draft.replace(path)
    _sync(path.parent)
    return Vault.open(path)


class Closed:
    """The vault of a process that needs no secrets and so gets none: nothing opens."""

    def unseal(self, sealed: str, *, owner: str, name: str) -> Any:
        """Refuse."""
        raise Invalid(f"the setting {name!r} is not opened in this process")


def _associated(owner: str, name: str) -> bytes:
    return f"{owner}\0{name}".encode()


def _parse(text: str, origin: str) -> tink.KeysetHandle:
    try:
        return json_proto_keyset_format.parse(text, secret_key_access.TOKEN)
    except (tink.TinkError, ValueError):
        raise ConfigError(
            f"the master key in {origin} is not a readable tink JSON keyset: restore it from a backup. "
            "Sealed settings cannot be read without it; a new key would mean entering all of them again"
        ) from None


def _create(path: Path) -> None:
    """Make a keyset file all at once: whoever looks sees none or a whole one, and the first to link it wins."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = _draft(path, _new_keyset())
    try:
        os.link(draft, path)
    except FileExistsError:
        return  # another process was first; its keyset is the one
    finally:
        draft.unlink(missing_ok=True)
    _sync(path.parent)


def _new_keyset() -> str:
    keyset = tink.new_keyset_handle(aead.aead_key_templates.AES256_GCM)
    text: str = json_proto_keyset_format.serialize(keyset, secret_key_access.TOKEN)
    return text


def _draft(path: Path, text: str) -> Path:
    """Write a file beside another one, for its owner only, down to the disk."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    return draft


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
