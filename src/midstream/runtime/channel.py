"""The socket to one process as an asyncio protocol. Enters: bytes. Leaves: frames, and once, that it closed."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Iterator
from typing import cast

from midstream.runtime.protocol import Frame, FrameReader, Kind, ProtocolError, frame

_SLOT = 0.001  # seconds in which one process is heard before others get their turn
_SOCKET_BUFFER = 1024 * 1024  # a batch should fit, or both sides wait for each other's turn


def pair() -> tuple[socket.socket, socket.socket]:
    """Return our end, non-blocking, and the process's, which reads it synchronously."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    for end in (ours, theirs):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SOCKET_BUFFER)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SOCKET_BUFFER)
    ours.setblocking(False)
    return ours, theirs


class Channel(asyncio.BufferedProtocol):
    """Calls `on_frame` for each frame, `on_bad` when one does not hold, and `on_closed` at the end."""

    def __init__(
        self, on_frame: Callable[[Frame], None], on_bad: Callable[[ProtocolError], None], on_closed: Callable[[], None]
    ) -> None:
        self._on_frame = on_frame
        self._on_bad = on_bad
        self._on_closed = on_closed
        self._reader = FrameReader()
        self._transport: asyncio.Transport | None = None
        self._unsent: list[bytes] = []
        self._gathering = False
        self._unheard: Iterator[Frame] = iter(())

    async def connect(self, end: socket.socket) -> None:
        """Take over our end of the socket."""
        await asyncio.get_running_loop().create_unix_connection(lambda: self, sock=end)

    def send(self, kind: Kind, id_: int, payload: bytes = b"") -> None:
        """Send a frame, unless the other side is gone.

        The first of a turn of the loop leaves at once, so that the other side works while we do; the others together.
        """
        if self._transport is None or self._transport.is_closing():
            return
        if self._gathering:
            self._unsent.append(frame(kind, id_, payload))
            return
        self._gathering = True
        asyncio.get_running_loop().call_soon(self._flush)
        self._transport.write(frame(kind, id_, payload))

    def _flush(self) -> None:
        frames, self._unsent, self._gathering = self._unsent, [], False
        if frames and self._transport is not None and not self._transport.is_closing():
            self._transport.write(b"".join(frames))

    def close(self) -> None:
        """Close our end; `on_closed` follows."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport; asyncio calls these four."""
        # A stream socket's transport always is one, though uvloop's does not say so.
        self._transport = cast("asyncio.Transport", transport)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Say where the next bytes go."""
        return self._reader.space()

    def buffer_updated(self, nbytes: int) -> None:
        """Hand on the frames that are whole now, but not for longer than a slot: other processes wait to be heard too."""
        self._unheard = self._reader.received(nbytes)
        if not self._hear(_SLOT) and self._transport is not None:
            # What has been read has to be heard before there is room for more.
            self._transport.pause_reading()
            asyncio.get_running_loop().call_soon(self._hear_on)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell that the other side, or we, closed, after what it said until then."""
        self._hear()
        self._on_closed()

    def _hear_on(self) -> None:
        if not self._hear(_SLOT):
            asyncio.get_running_loop().call_soon(self._hear_on)
        elif self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def _hear(self, seconds: float | None = None) -> bool:
        """Hand on frames for so long, and say whether that was all."""
        end = None if seconds is None else time.perf_counter() + seconds
        try:
            for received in self._unheard:
                self._on_frame(received)
                if end is not None and time.perf_counter() > end:
                    return False
        except ProtocolError as error:
            self._unheard = iter(())
            self._on_bad(error)
            self.close()
        return True
