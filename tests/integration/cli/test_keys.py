from __future__ import annotations

from tests.integration.cli.terminal import Terminal, terminal

__all__ = ["terminal"]


def test_rotating_says_what_became_of_the_old_keys(terminal: Terminal) -> None:
    terminal.apply()
    terminal.run("keys", "rotate")
    assert terminal.said.endswith("The old keys are kept, for backups made before; --retire drops them.\n")
    terminal.run("keys", "rotate", "--retire")
    assert terminal.said.endswith("The old keys are gone.\n")
