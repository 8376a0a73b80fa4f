"""A function's folder to begin with: code, declared settings, cases that pass, and types for the editor.

Enters: where, and after which template. Leaves: the files written. Nothing that exists is touched.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

from midstream.authoring.types import DECLARATIONS, declarations
from midstream.errors import Invalid

_TEMPLATES = Path(__file__).with_name("templates")
_EDITOR = {
    "compilerOptions": {
        "checkJs": True,
        "lib": ["ES2023", "WebWorker"],
        "module": "ESNext",
        "moduleDetection": "force",  # or two functions in one workspace would share their names
        "strict": False,
        "target": "ES2023",
        "types": [],
    },
    "include": ["*.js", "*.ts"],
}


class Template(StrEnum):
    """What there is to begin with, each a folder in `templates`."""

    DEFAULT = "default"  # every handler, passing events on
    BATCH = "batch"  # many events in one call
    MASK = "mask"  # personal data as keyed hashes
    ENRICH = "enrich"  # look-ups with a cached token
    FILTER = "filter"  # events dropped by rules
    ROUTE = "route"  # integrations and URL by region


def scaffold(folder: Path, template: Template) -> list[Path]:
    """Write a function's folder. Raises Invalid, having written nothing, when one of the files exists already."""
    files = _files(template)
    taken = [name for name in files if (folder / name).exists()]
    if taken:
        *most, last = taken
        said = f"{', '.join(most)} and {last} are" if most else f"{last} is"
        them = "them" if most else "it"
        raise Invalid(f"{said} there already; choose another folder, or move {them} away", str(folder))
    try:
        for name, text in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
    except OSError as error:
        raise Invalid(f"cannot be written: {error.strerror}", str(error.filename or folder)) from None
    return [folder / name for name in files]


def _files(template: Template) -> Mapping[str, str]:
    root = _TEMPLATES / template
    own = {path.relative_to(root).as_posix(): path.read_text("utf-8") for path in root.rglob("*") if path.is_file()}
    editor = {DECLARATIONS: declarations(), "jsconfig.json": json.dumps(_EDITOR, indent=2) + "\n"}
    return dict(sorted((own | editor).items()))
