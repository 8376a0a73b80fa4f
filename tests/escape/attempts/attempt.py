"""What an attempt is: a hostile function as data, with what it must get from the sandbox and where nothing guards."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from dirty_equals import IsStr

from midstream.domain.function import Ending, Limits

FOUND = "found it"
"""What is planted where functions must not reach: in a file, in the environment, behind a port of loopback."""

LOOT = IsStr(regex=rf"(?s).*{FOUND}.*")
BRIEF = Limits(timeout=0.5)
"""For attempts that use up all the time they get. Others have the usual, since the machine may be busy."""


class Harm(StrEnum):
    """What an attempt does to a host that does not guard itself."""

    SPOILS = "spoils"  # results of other events are missing or forged
    HANGS = "hangs"  # nothing comes back any more
    DIES = "dies"  # the process ended before it had answered
    FILLS = "fills"  # it takes more memory than the sandbox ever gives


@dataclass(frozen=True)
class Ends:
    """The attempt's own event does not return: how it ends instead, and what its author is told."""

    ending: Ending
    message: Any = None


@dataclass(frozen=True)
class Attempt:
    """One hostile function.

    `code` has an `onTrack`, which returns `{got}`; the runners put a harmless `onPage` before it, whose results are
    the other events' that must not suffer. Its event names what is planted: `file`, `variable`, `port`, `url`.
    """

    name: str
    code: str
    gets: Any  # from the sandbox: the value of `got`, or an `Ends`
    wins: Any  # where nothing guards: the value of `got`, or a `Harm`
    not_shown: str = ""  # why success cannot be shown where nothing guards
    kills: tuple[str, ...] = ()  # what its own processes die of
    loses: str = ""  # why its own other events may end without a result; they are never forged
    limits: Limits = field(default_factory=Limits)


def tried(expression: str, setup: str = "") -> str:
    """Return the code of a function that gives what an expression of its event `e` gives, or the error."""
    return f"""{setup}
      async function onTrack(e) {{
        try {{ return {{ got: await ({expression}) }} }} catch (error) {{ return {{ got: String(error) }} }}
      }}"""


def gone(name: str) -> str:
    """Return the error of a name that is not there."""
    return f"ReferenceError: {name} is not defined"
