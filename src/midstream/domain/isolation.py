"""The layers around a function's process that the kernel holds, and which of them are on.

Enters: what was found out on this machine. Leaves: what is missing, in a sentence.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

# From the outside in the order they are put on.
LAYERS = (
    "no_new_privs",  # no program gives it rights midstream's user has not
    "rlimits",  # no core file, few open files
    "memory_limit",  # all memory, not only V8's heap
    "landlock",  # no files but Deno's own, to read
    "landlock_tcp",  # no TCP
    "landlock_signals",  # no signal to others, no abstract socket of others
    "seccomp",  # only the system calls Deno needs: no socket, no process, no exec
)


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer. `detail` says why it is off."""

    name: str
    on: bool
    detail: str = ""


def lacking(layers: Iterable[Layer], required: Collection[str]) -> str | None:
    """Say which required layers are off and why, or nothing when all are on."""
    off = [f"{layer.name} ({layer.detail})" for layer in layers if layer.name in required and not layer.on]
    return ", ".join(off) or None
