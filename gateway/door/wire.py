"""HTTP as ASGI has it: bodies within bounds, answers that nobody waits for too long.

The door is an ASGI application of its own, beside Django's: it needs neither sessions nor templates,
and it hears at once when a client leaves.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from gateway.door.grants import revoked
from gateway.door.refusals import Refused
from gateway.door.sse import compact
from gateway.door.values import Dialect, Writer
from gateway.types import JSON

T = TypeVar("T")
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

LARGEST_BODY = 10_000_000  # bytes
SLOWEST_BODY = 30.0  # seconds for all of it
SLOWEST_READER = 20.0  # seconds in which a client has to take what it is sent
ALWAYS = {"cache-control": "no-store", "x-content-type-options": "nosniff", "x-accel-buffering": "no"}


class Gone(Exception):
    """The client has left, or takes nothing: there is nobody to answer."""


class Outgoing:
    """One response. Once it has begun, an error is an event of the stream."""

    def __init__(self, send: Send, dialect: Dialect, request_id: str) -> None:
        self._send, self._dialect = send, dialect
        self.headers = {**ALWAYS, "x-request-id": request_id, "request-id": request_id}
        self._writer: Writer | None = None

    async def whole(self, body: JSON, status: int = 200) -> None:
        await self._start(status, "application/json")
        await self.write(compact(body).encode(), more=False)

    async def begin(self, writer: Writer) -> None:
        self._writer = writer
        await self._start(200, "text/event-stream; charset=utf-8")

    async def write(self, data: bytes, *, more: bool = True) -> None:
        """Raises `Gone` where a server waits for its client, and the client takes nothing."""
        try:
            async with asyncio.timeout(SLOWEST_READER):
                await self._send({"type": "http.response.body", "body": data, "more_body": more})
        except TimeoutError:
            raise Gone from None

    async def refuse(self, refused: Refused) -> None:
        if self._writer is not None:
            await self.write(self._writer.broken(refused), more=False)
            return
        if refused.retry_after is not None:
            self.headers["retry-after"] = str(math.ceil(refused.retry_after))
        self.headers["x-should-retry"] = "true" if refused.again else "false"
        await self.whole({**self._dialect.problem(refused), "request_id": self.headers["request-id"]}, refused.status)

    async def _start(self, status: int, content_type: str) -> None:
        pairs = {**self.headers, "content-type": content_type}
        encoded = [(name.encode(), value.encode("latin-1", "replace")) for name, value in pairs.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": encoded})


def headers_of(scope: Mapping[str, Any]) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}


async def body_of(receive: Receive, headers: Mapping[str, str]) -> bytes:
    """Raises `Refused` for one that is too large, as soon as it is known, or too slow; `Gone` where
    the client leaves before its end."""
    declared = headers.get("content-length", "0")
    if declared.isdecimal() and int(declared) > LARGEST_BODY:
        raise too_large()
    pieces: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(SLOWEST_BODY):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Gone
                pieces.append(message.get("body", b""))
                size += len(pieces[-1])
                if size > LARGEST_BODY:
                    raise too_large()
                if not message.get("more_body", False):
                    return b"".join(pieces)
    except TimeoutError:
        raise Refused(408, "too_slow", f"The body did not come within {SLOWEST_BODY:g} seconds.") from None


async def attended(work: Awaitable[T], receive: Receive, key: str) -> T:
    """What `work` comes to. It is cancelled when the client leaves (`Gone`), or its key dies (`Refused`),
    and has ended when this returns."""
    task = asyncio.ensure_future(work)
    gone, dead = asyncio.ensure_future(_left(receive)), asyncio.ensure_future(revoked(key))
    everybody = {task, gone, dead}
    try:
        await asyncio.wait(everybody, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        if gone.done():
            raise Gone
        raise dead.result()
    finally:
        for each in everybody:
            each.cancel()
        await asyncio.gather(*everybody, return_exceptions=True)


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def too_large() -> Refused:
    return Refused(413, "too_large", f"The body is larger than {LARGEST_BODY:,} bytes.")
