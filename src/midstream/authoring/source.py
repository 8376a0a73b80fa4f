"""A function as it lies in a folder: its code, the settings it declares in `function.toml`, its cases.

Enters: a file or a folder. Leaves: a `Source`, or `Invalid` saying what was looked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from midstream.domain.declaration import DECLARATION, Declaration, read_declaration
from midstream.domain.settings import Definition
from midstream.errors import Invalid

CASES = "cases"
_NAMES = ("function.js", "function.ts", "index.js", "index.ts")
_ENDINGS = (".js", ".ts")
_BESIDE_CODE = (".toml", ".json")
_NOT_CODE = (".d.ts", ".config.js", ".config.ts")


@dataclass(frozen=True, slots=True)
class Source:
    """A function's files. `schema` is None when nothing is declared, so that nothing can be said about settings."""

    path: Path
    code: str
    declaration: Declaration | None
    cases: Sequence[Path]

    @property
    def schema(self) -> tuple[Definition, ...] | None:
        """The settings it declares."""
        return None if self.declaration is None else self.declaration.definitions()

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts it may ask; none named means all."""
        return () if self.declaration is None else self.declaration.hosts


def find(place: Path) -> Source:
    """Read the function that a path names: the file itself, or the only one in a folder."""
    path = _code_in(place) if place.is_dir() else place
    if path.suffix in _BESIDE_CODE:
        raise Invalid("is not code: name the function's folder, or its .js or .ts file", str(path))
    cases = sorted(path.parent.joinpath(CASES).glob("*.json"))
    return Source(path, _text(path), _declared(path.with_name(DECLARATION)), cases)


def _code_in(folder: Path) -> Path:
    for name in _NAMES:
        if (folder / name).is_file():
            return folder / name
    found = sorted(
        path.name for path in folder.iterdir() if path.suffix in _ENDINGS and not path.name.endswith(_NOT_CODE)
    )
    match found:
        case [only]:
            return folder / only
        case []:
            raise Invalid(f"there is no function: expected {_NAMES[0]}, or another .js or .ts file", str(folder))
        case _:
            raise Invalid(f"there are several: {', '.join(found)}; name one, or call it {_NAMES[0]}", str(folder))


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except OSError as error:
        raise Invalid(f"cannot be read: {error.strerror}", str(path)) from None
    except UnicodeDecodeError as error:
        raise Invalid(f"is not UTF-8 text (at byte {error.start})", str(path)) from None


def _declared(path: Path) -> Declaration | None:
    """Return what a declaration says, if there is one."""
    if not path.exists():
        return None
    return read_declaration(_text(path), str(path))
