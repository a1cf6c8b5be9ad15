"""Bodies of programs' requests within bounds, where Daphne reads them.

Daphne keeps a whole body before it asks any application, however large it is and however slowly it
comes. Here one that is too large is refused when its head is read, and what still comes of it is
thrown away, so that the client gets to read the refusal; one that is too slow is cut off (T11).

Does not catch: other addresses than the door's, whose bodies the proxy bounds.
"""

from __future__ import annotations

import json
from typing import Any

import daphne.server
from daphne.http_protocol import HTTPFactory, WebRequest

from gateway.door import chat, wire

DOOR = b"/v1/"


class BoundedRequest(WebRequest):  # type: ignore[misc]
    """Daphne's own, with an eye on the body."""

    _size = 0
    _refused = False
    _deadline: Any = None

    def gotLength(self, length: int | None) -> None:
        super().gotLength(length if length is None else min(length, wire.LARGEST_BODY))
        if self.channel._path.startswith(DOOR):
            self._deadline = self.channel.callLater(wire.SLOWEST_BODY, self.channel.transport.abortConnection)
            self._grow(length or 0)
            self._size = 0

    def handleContentChunk(self, data: bytes) -> None:
        if self._deadline is not None:
            self._grow(len(data))
        if not self._refused:
            super().handleContentChunk(data)

    def process(self) -> Any:
        self._in_time()
        return self.channel.loseConnection() if self._refused else super().process()

    def connectionLost(self, reason: Any) -> None:
        self._in_time()
        super().connectionLost(reason)

    def _grow(self, size: int) -> None:
        self._size += size
        if self._size > wire.LARGEST_BODY and not self._refused:
            self._refused = True
            body = json.dumps(chat.problem(wire.too_large())).encode()
            head = f"HTTP/1.1 413 Too Large\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
            self.channel.transport.write(f"{head}\r\nConnection: close\r\n\r\n".encode() + body)

    def _in_time(self) -> None:
        if self._deadline is not None and self._deadline.active():
            self._deadline.cancel()


class BoundedFactory(HTTPFactory):  # type: ignore[misc]
    def buildProtocol(self, addr: Any) -> Any:
        protocol = super().buildProtocol(addr)
        protocol.requestFactory = BoundedRequest
        return protocol


def bound() -> None:
    """For servers of this process that are still to be started. Daphne has no setting for it."""
    daphne.server.HTTPFactory = BoundedFactory
