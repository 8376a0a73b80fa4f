"""Gives an event its stamps without taking it apart. Pure bytes: nothing is parsed here.

Enters: an event as its client sent it, and what was read in it. Leaves: the same with its stamps, or None where that takes
more than cutting.
"""

from __future__ import annotations

_TIMESTAMP = b'"timestamp"'


def spliced(item: bytes, timestamp: bytes, original: bytes, corrected: bytes, stamps: bytes) -> bytes | None:
    """Put the times in the place of the event's timestamp, and `stamps`, members of an object, at its end.

    `item` is a JSON object in which `timestamp` was read, and no name is spelled with escapes.
    """
    at = item.find(_TIMESTAMP)
    # A second one may be text, or a name in an object within: which of them is the event's cannot be told from here.
    if at < 0 or item.find(_TIMESTAMP, at + 1) >= 0:
        return None
    begin = item.find(_QUOTE, at + len(_TIMESTAMP)) + 1
    end = begin + len(timestamp)
    if item[begin:end] != timestamp or item[end : end + 1] != _QUOTE or item[0] != _OPEN or item[-1] != _CLOSE:
        return None  # the value is spelled with escapes, or white space is around it all
    return b"".join(
        (item[:at], _ORIGINAL, original, _CORRECTED, corrected, _QUOTE, item[end + 1 : -1], b",", stamps, b"}")
    )


_ORIGINAL, _CORRECTED = b'"originalTimestamp":"', b'","timestamp":"'
_QUOTE = b'"'
_OPEN, _CLOSE = b"{}"
