"""A network without one: names resolve to what a test says, and every dial is recorded and answered
from memory."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field

import httpcore2


@dataclass
class Dial:
    """A connection that was asked for: where to, what was sent on it, and whose certificate was wanted."""

    address: str
    port: int
    sent: bytes = b""
    server_name: str | None = None


@dataclass
class Network:
    """`answer` gives the bytes of the response to the request that came over a dial."""

    answer: Callable[[Dial], bytes]
    dials: list[Dial] = field(default_factory=list)

    def connect(self, address: str, port: int, seconds: float) -> httpcore2.NetworkStream:
        dial = Dial(address, port)
        self.dials.append(dial)
        return _Stream(dial, self.answer)


class _Stream(httpcore2.NetworkStream):
    def __init__(self, dial: Dial, answer: Callable[[Dial], bytes]) -> None:
        self._dial, self._answer, self._left = dial, answer, b""
        self._answered = False

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if not self._answered:
            self._answered, self._left = True, self._answer(self._dial)
        piece, self._left = self._left[:max_bytes], self._left[max_bytes:]
        return piece

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._dial.sent += buffer

    def close(self) -> None:
        pass

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        assert ssl_context.check_hostname
        assert ssl_context.verify_mode == ssl.CERT_REQUIRED
        self._dial.server_name = server_hostname
        return self


def page(text: bytes = b"<h1>Returns</h1>", *, status: int = 200, **headers: str) -> bytes:
    """A whole response."""
    named = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    head = f"HTTP/1.1 {status} OK\r\nContent-Length: {len(text)}\r\n{named}\r\n"
    return head.encode("latin-1") + text
