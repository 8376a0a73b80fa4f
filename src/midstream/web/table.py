"""Tables, and the times in them. Enters: columns, and cells that are HTML. Leaves: HTML."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from html import escape


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Make a table of cells that are HTML. On a narrow screen each row is a list."""
    head = "".join(f'<th scope="col">{escape(each)}</th>' for each in columns)
    body = "\n".join("<tr>" + "".join(map(_cell, columns, row)) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table>"


def time(at: datetime) -> str:
    """Show a time, to the minute."""
    return f'<time datetime="{at.isoformat()}">{at:%Y-%m-%d %H:%M} UTC</time>'


def _cell(column: str, content: str) -> str:
    return f'<td data-label="{escape(column)}">{content}</td>'
