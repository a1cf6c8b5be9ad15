"""One request and its stream, the same for every SDK: opened, read, ended, closed.

What differs between APIs is a `Reader`: it turns an event of the SDK into events of ours and notes
how the stream ended. A stream whose terminator never came is an error, whatever was read (V4).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import AbstractContextManager, aclosing, contextmanager, suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Protocol

from gateway.errors import InvalidCredentials, NotInstalled, ProviderError, StreamBroken
from gateway.observing import report
from gateway.providers.errors import RULES, Rules, translated
from gateway.types import Call, Finished, Options, StreamEvent, Usage, UsageReport

if TYPE_CHECKING:
    import httpx2

CONNECT_TIMEOUT = Options.connect_timeout  # seconds
# Where the responses of the running stream are kept; set and read within one task's first step.
_responses: ContextVar[list[httpx2.Response] | None] = ContextVar("responses", default=None)
DRAINING = 0.1  # seconds for the last bytes after the terminator, so that the connection is kept


class Upstream(Protocol):
    """The stream of either SDK."""

    def __aiter__(self) -> AsyncIterator[Any]: ...
    async def close(self) -> None: ...


class Events:
    """The stream of an SDK that gives a mere generator, which does not close its connection at once
    when it is closed: the response is kept hold of, and closed here. What the SDK itself makes of an
    event that has not the shape of its API is `StreamBroken`."""

    def __init__(self, start: Callable[[], Awaitable[AsyncIterator[Any]]]) -> None:
        self._responses: list[httpx2.Response] = []
        self._events = self._read(start)

    def __aiter__(self) -> AsyncIterator[Any]:
        return self._events

    async def close(self) -> None:
        await self._events.aclose()
        for response in self._responses:
            await response.aclose()

    async def _read(self, start: Callable[[], Awaitable[AsyncIterator[Any]]]) -> AsyncGenerator[Any, None]:
        _responses.set(self._responses)
        try:
            async for event in await start():
                yield event
        except (AttributeError, KeyError, TypeError) as error:
            raise StreamBroken("an event of the stream does not have the shape of its API") from error


class Reader(Protocol):
    """Reads one stream. `finished` is set by the API's terminator; `complete` says that nothing
    of interest follows. `usage` stays None where the provider sends none (B3)."""

    finished: Finished | None
    usage: Usage | None

    @property
    def complete(self) -> bool: ...
    def read(self, event: Any) -> Iterable[StreamEvent]: ...


async def exchange(
    opening: Callable[[], Awaitable[Upstream]],
    reader: Reader,
    *,
    sdk_error: Callable[[], type[Exception] | tuple[type[Exception], ...]],
    secret: str,
    rules: Rules = RULES,
) -> AsyncGenerator[StreamEvent, None]:
    """The events of one stream, ending in `Finished`. Closing the generator closes the connection.
    `opening` makes the request and `sdk_error` names the root of the SDK's errors: both are called
    here, so that an SDK is imported when it is used. Raises `ProviderError`."""
    root = sdk_error()
    with translated(root, secret, rules):
        upstream = await opening()
        try:
            async for event in upstream:
                for each in _read(reader, event):
                    yield each
                if reader.complete:
                    await _drain(upstream, translated(root, secret, rules))
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


def one_timeout_client() -> httpx2.AsyncClient:
    """The same for SDKs that know one limit for everything: connecting has its own all the same. It
    also hands each response to the `Events` that waits for it."""
    client = http_client()
    client.event_hooks = {"request": [_limit_connecting], "response": [report, _keep]}
    return client


async def _limit_connecting(request: httpx2.Request) -> None:
    request.extensions["timeout"] = {**request.extensions.get("timeout", {}), "connect": CONNECT_TIMEOUT}


async def _keep(response: httpx2.Response) -> None:
    kept = _responses.get()
    if kept is not None:
        kept.append(response)
    if response.status_code >= 300:
        await response.aread()  # Mistral's SDK looks into the body of an error without reading it


@contextmanager
def extra(name: str) -> Iterator[None]:
    """Around the import of an SDK that is optional. Raises `NotInstalled`, which names the extra."""
    try:
        yield
    except ImportError as error:
        raise NotInstalled(f"the SDK is not installed: pip install 'citedesk[{name}]'") from error


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
    except (AttributeError, KeyError, TypeError) as error:
        raise StreamBroken("an event of the stream does not have the shape of its API") from error


async def _drain(upstream: Upstream, translating: AbstractContextManager[None]) -> None:
    """Reads what follows the terminator, which a connection needs to be used again."""
    with suppress(TimeoutError, ProviderError), translating:
        async with asyncio.timeout(DRAINING), aclosing(_rest(upstream)) as rest:
            async for _event in rest:
                pass


async def _rest(upstream: Upstream) -> AsyncGenerator[Any, None]:
    async for event in upstream:
        yield event
