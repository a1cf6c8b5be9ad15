"""Limits on how long a provider may take, each with a phase of its own (V5, V8).

The adapter's client holds the limit on connecting; here are the first event, the pause between
two events, and the whole. The whole is the call's, retries and other candidates included.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from gateway.base import Provider
from gateway.errors import ProviderTimeout
from gateway.types import Call, Finished, StreamEvent, Trace


class Timed:
    """Raises `ProviderTimeout` with its phase, and closes the provider's connection. `until` is the
    end of the whole call by the event loop's clock; without it this attempt has the whole time."""

    def __init__(self, inner: Provider, *, until: float | None = None) -> None:
        self._inner, self._until = inner, until
        self.name, self.profile = inner.name, inner.profile

    async def stream(self, call: Call, trace: Trace) -> AsyncGenerator[StreamEvent, None]:
        options, loop = call.options, asyncio.get_running_loop()
        end = loop.time() + options.total_timeout if self._until is None else self._until
        if end <= loop.time():
            raise ProviderTimeout(phase="total")
        limit, phase = max(options.first_token_timeout, self.profile.first_token_timeout), "first_token"
        async with aclosing(self._inner.stream(call, trace)) as events:
            while True:
                left = end - loop.time()
                try:
                    async with asyncio.timeout(max(0, min(limit, left))):
                        event = await anext(events, None)
                except TimeoutError:
                    raise ProviderTimeout(phase=phase if limit < left else "total") from None
                if event is None:
                    return
                yield event
                if isinstance(event, Finished):
                    return
                limit, phase = options.stall_timeout, "stall"
