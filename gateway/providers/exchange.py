"""One request and its stream, the same for every SDK: opened, read, ended, closed.

What differs between APIs is a `Reader`: it turns an event of the SDK into events of ours and notes
how the stream ended. A stream whose terminator never came is an error, whatever was read (V4).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any, Protocol

from gateway.errors import InvalidCredentials, ProviderError, StreamBroken
from gateway.observing import report
from gateway.providers.errors import translated
from gateway.types import Call, Finished, StreamEvent, Usage, UsageReport

if TYPE_CHECKING:
    import httpx2

DRAINING = 0.1  # seconds for the last bytes after the terminator, so that the connection is kept


class Upstream(Protocol):
    """The stream of either SDK."""

    def __aiter__(self) -> AsyncIterator[Any]: ...
    async def close(self) -> None: ...


class Reader(Protocol):
    """Reads one stream. `finished` is set by the API's terminator; `complete` says that nothing
    of interest follows. `usage` stays None where the provider sends none (B3)."""

    finished: Finished | None
    usage: Usage | None

    @property
    def complete(self) -> bool: ...
    def read(self, event: Any) -> Iterable[StreamEvent]: ...


async def exchange(
    opening: Callable[[], Awaitable[Upstream]], reader: Reader, *, sdk_error: Callable[[], type[Exception]], secret: str
) -> AsyncGenerator[StreamEvent, None]:
    """The events of one stream, ending in `Finished`. Closing the generator closes the connection.
    `opening` makes the request and `sdk_error` names the root of the SDK's errors: both are called
    here, so that an SDK is imported when it is used. Raises `ProviderError`."""
    root = sdk_error()
    with translated(root, secret):
        upstream = await opening()
        try:
            async for event in upstream:
                for each in _read(reader, event):
                    yield each
                if reader.complete:
                    await _drain(upstream, root, secret)
                    break
        finally:
            await upstream.close()
    if reader.finished is None:
        raise StreamBroken("the stream ended without its last event")
    if reader.usage is not None:
        yield UsageReport(reader.usage)
    yield reader.finished


def http_client() -> httpx2.AsyncClient:
    """One that follows no redirect: a key goes to the configured address alone (S8)."""
    import httpx2

    limits = httpx2.Limits(max_connections=500, max_keepalive_connections=50, keepalive_expiry=30)
    return httpx2.AsyncClient(follow_redirects=False, limits=limits, event_hooks={"response": [report]})


def timeout(call: Call) -> httpx2.Timeout:
    """The limit on connecting is kept here; `gateway.timeouts` keeps the others."""
    import httpx2

    return httpx2.Timeout(call.options.total_timeout, connect=call.options.connect_timeout)


def require_key(key: str, variable: str) -> None:
    """Raises `InvalidCredentials`. Asked with each call: a candidate without a key is passed over,
    and does not keep the others from being tried."""
    if not key:
        raise InvalidCredentials(f"{variable} is not set")


def _read(reader: Reader, event: Any) -> list[StreamEvent]:
    try:
        return list(reader.read(event))
    except (AttributeError, TypeError) as error:
        raise StreamBroken("an event of the stream does not have the shape of its API") from error


async def _drain(upstream: Upstream, sdk_error: type[Exception], secret: str) -> None:
    """Reads what follows the terminator, which a connection needs to be used again."""
    with suppress(TimeoutError, ProviderError), translated(sdk_error, secret):
        async with asyncio.timeout(DRAINING), aclosing(_rest(upstream)) as rest:
            async for _event in rest:
                pass


async def _rest(upstream: Upstream) -> AsyncGenerator[Any, None]:
    async for event in upstream:
        yield event
