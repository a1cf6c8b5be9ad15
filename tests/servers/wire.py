"""A scriptable HTTP/1.1 server on raw sockets, so that an answer can be cut at every byte, stalled,
split inside a character, or framed in either of the two ways that a stream may be."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import parse_qsl


@dataclass(frozen=True)
class Request:
    """What the server was sent. Header names are lower-case. `body` is empty where it is no JSON."""

    method: str
    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    raw: bytes = b""

    @property
    def asked(self) -> str:
        """The last thing that the user said."""
        turns = next((self.body[name] for name in ("messages", "input", "contents") if self.body.get(name)), [{}])
        said = turns[-1].get("content") or turns[-1].get("parts") or ""
        return str(said if isinstance(said, str) else said[-1]["text"])


@dataclass(frozen=True)
class Script:
    """How to answer. The body's `pieces` are written one by one; `split` cuts them further into
    that many bytes each. `cut` closes the connection after so many bytes of the body as framed;
    `stall` waits for ever before the piece of that number, until the client leaves. `pause` are
    seconds between pieces. Framing "close" has no length: the end of the connection ends it."""

    pieces: Sequence[bytes] = ()
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "text/event-stream; charset=utf-8"
    framing: Literal["chunked", "close"] = "chunked"
    split: int = 0
    cut: int | None = None
    stall: int | None = None
    pause: float = 0.0

    def framed(self) -> list[bytes]:
        pieces = [bytes(part) for piece in self.pieces for part in _split(piece, self.split)]
        if self.framing == "close":
            return pieces
        return [b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces if piece] + [b"0\r\n\r\n"]

    def size(self) -> int:
        """Bytes of the body as framed."""
        return sum(len(piece) for piece in self.framed())


def failure(status: int, body: dict[str, Any] | str, **headers: str) -> Script:
    """An answer that is no stream."""
    text = body if isinstance(body, str) else json.dumps(body)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Script((text.encode(),), status=status, headers=named, content_type="application/json")


def sse(data: dict[str, Any] | str, event: str = "") -> bytes:
    """One server-sent event."""
    text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return (f"event: {event}\n" if event else "").encode() + f"data: {text}\n\n".encode()


class Server:
    """Answers each request by what `respond` says. `requests` keeps what came, and `asked` is set
    with the first; `left` counts the clients that went away before their answer's end, and `gone`
    is set when one does."""

    def __init__(self, respond: Callable[[Request], Script]) -> None:
        self.respond = respond
        self.requests: list[Request] = []
        self.left = 0
        self.asked, self.gone = asyncio.Event(), asyncio.Event()
        self.connections = 0
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while (request := await _read(reader)) is not None:
                self.requests.append(request)
                self.asked.set()
                if not await self._answer(self.respond(request), reader, writer):
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            self._lost()
        except asyncio.CancelledError:
            pass  # the test is over, and so is its loop
        finally:
            writer.close()

    async def _answer(self, script: Script, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Whether the connection may carry another request."""
        writer.write(_head(script))
        budget = script.size() + 1 if script.cut is None else script.cut
        for number, piece in enumerate(script.framed()):
            if script.stall == number:
                await writer.drain()
                if not await reader.read(1):
                    self._lost()
                return False
            writer.write(piece[:budget])
            budget -= len(piece)
            if budget <= 0:
                return False
            if script.pause:
                await writer.drain()
                await asyncio.sleep(script.pause)
                if reader.at_eof() or writer.is_closing():
                    self._lost()
                    return False
        await writer.drain()
        return script.framing == "chunked"

    def _lost(self) -> None:
        self.left += 1
        self.gone.set()


@asynccontextmanager
async def serving(respond: Callable[[Request], Script] | Script | Sequence[Script]) -> AsyncIterator[Server]:
    """A server on a free port of 127.0.0.1. A sequence of scripts is played in order, its last one
    again and again."""
    server = Server(_player(respond))
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0, backlog=1000)
    server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    try:
        yield server
    finally:
        listening.close()


def _player(respond: Callable[[Request], Script] | Script | Sequence[Script]) -> Callable[[Request], Script]:
    if isinstance(respond, Script):
        return lambda request: respond
    if callable(respond):
        return respond
    left = list(respond)
    return lambda request: left.pop(0) if len(left) > 1 else left[0]


async def _read(reader: asyncio.StreamReader) -> Request | None:
    head = await reader.readuntil(b"\r\n\r\n") if not reader.at_eof() else b""
    if not head:
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    method, path, _version = first.split(" ")
    form = headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
    is_json = bool(body) and not headers.get("content-type", "").startswith("multipart/")
    return Request(method, path, headers, _form(body) if form else json.loads(body) if is_json else {}, body)


def _form(body: bytes) -> dict[str, Any]:
    return dict(parse_qsl(body.decode()))


def _head(script: Script) -> bytes:
    framing = "Transfer-Encoding: chunked" if script.framing == "chunked" else "Connection: close"
    lines = [f"HTTP/1.1 {script.status} Scripted", f"Content-Type: {script.content_type}", framing]
    lines += [f"{name}: {value}" for name, value in script.headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def _split(piece: bytes, size: int) -> Sequence[bytes]:
    return [piece[at : at + size] for at in range(0, len(piece), size)] if size else [piece]
