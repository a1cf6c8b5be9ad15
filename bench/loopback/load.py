"""Sends the same request over and over, on one or several connections that stay open, and keeps the
seconds until the first word and until the end of each answer."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median, quantiles
from urllib.parse import urlsplit

FIRST_WORD = b"The"


@dataclass(frozen=True)
class Target:
    """Where to send it. `headers` are the target's own, such as its key."""

    name: str
    url: str
    model: str = "bench"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Measured:
    """Milliseconds, and requests a second."""

    median: float
    p99: float
    first: float
    rate: float


def request(target: Target, *, streamed: bool) -> bytes:
    address = urlsplit(target.url)
    content = "What resets the lamp? Answer from the manual alone, in one sentence."
    body = {"model": target.model, "messages": [{"role": "user", "content": content}], "max_tokens": 100}
    if streamed:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    raw = json.dumps(body).encode()
    headers = {"Host": address.netloc, "Content-Type": "application/json", "Content-Length": len(raw), **target.headers}
    lines = [f"POST {address.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    return "\r\n".join(lines).encode() + raw


async def load(target: Target, *, requests: int, connections: int, streamed: bool) -> Measured:
    """`requests` of them in all. Raises `RuntimeError` for an answer that is not whole."""
    raw, left = request(target, streamed=streamed), iter(range(requests))
    spent: list[tuple[float, float]] = []

    async def connection() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(target.url).port)
        for _ in left:
            began = time.perf_counter()
            writer.write(raw)
            first = await _answer(reader, target.name)
            spent.append((first - began, time.perf_counter() - began))
        writer.close()

    began = time.perf_counter()
    await asyncio.gather(*(connection() for _ in range(connections)))
    seconds = time.perf_counter() - began
    whole = [1000 * end for _, end in spent]
    return Measured(median(whole), quantiles(whole, n=100)[98], 1000 * median(f for f, _ in spent), requests / seconds)


async def _answer(reader: asyncio.StreamReader, name: str) -> float:
    """Reads one, whole; the time at which its first word was there."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    if not head.startswith(b"http/1.1 200"):
        raise RuntimeError(f"{name} answered {head!r} {await reader.read(2000)!r}")
    if b"chunked" not in head:
        body = await reader.readexactly(int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0]))
        if FIRST_WORD not in body:
            raise RuntimeError(f"{name} answered {body!r}")
        return time.perf_counter()
    first, size, body = 0.0, 1, b""
    while size:
        size = int(await reader.readline(), 16)
        body += (await reader.readexactly(size + 2))[:-2]
        if not first and FIRST_WORD in body:
            first = time.perf_counter()
    if not first:
        raise RuntimeError(f"{name} answered {body!r}")
    return first
