"""The same provider once more, when its error says that this may help and nothing was shown yet.

The pause is "full jitter": uniform between nothing and a bound that doubles (Marc Brooker,
"Exponential Backoff And Jitter", AWS Architecture Blog, 2015), so that callers who failed together
do not come back together. A wait that the provider asks for is kept, and the jitter added to it.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator
from contextlib import aclosing

from gateway.base import Candidate, Embedder
from gateway.errors import ProviderError
from gateway.types import Call, EmbeddingCall, StreamEvent, Trace, Usage

ATTEMPTS = 3
FIRST_BOUND, LAST_BOUND = 0.5, 4.0  # seconds
LONGEST_WAIT = 5.0  # seconds that a provider may ask a call to wait


class Retrying:
    """At most `ATTEMPTS` tries; never after the first event, so no text comes twice (V6). A wait
    that is longer than `LONGEST_WAIT`, or than the call has time for (`until`, by the event loop's
    clock), is left to the fallback."""

    def __init__(self, inner: Candidate, *, until: float | None = None) -> None:
        self._inner, self._until = inner, until
        self.name, self.profile = inner.name, inner.profile

    async def stream(self, call: Call, trace: Trace) -> AsyncGenerator[StreamEvent, None]:
        for attempt in range(1, ATTEMPTS + 1):
            begun = False
            try:
                async with aclosing(self._inner.stream(call, trace)) as events:
                    async for event in events:
                        begun = True
                        yield event
                return
            except ProviderError as error:
                trace.attempts.append({"model": self.profile.id, "error": error.code, "attempt": attempt})
                pause = pause_before_next(error, attempt)
                if begun or not error.retryable or attempt == ATTEMPTS or not self._time_for(error, pause):
                    raise
            await asyncio.sleep(pause)

    def _time_for(self, error: ProviderError, pause: float) -> bool:
        asked = error.retry_after or 0.0
        return asked <= LONGEST_WAIT and (
            self._until is None or asyncio.get_running_loop().time() + pause < self._until
        )


class RetryingEmbedder:
    """The same for vectors, which come whole or not at all."""

    def __init__(self, inner: Embedder, trace: Trace) -> None:
        self._inner, self._trace = inner, trace
        self.name, self.profile = inner.name, inner.profile

    async def embed(self, call: EmbeddingCall) -> tuple[list[list[float]], Usage]:
        for attempt in range(1, ATTEMPTS):
            try:
                return await self._inner.embed(call)
            except ProviderError as error:
                self._trace.attempts.append({"model": self.profile.id, "error": error.code, "attempt": attempt})
                if not error.retryable or (error.retry_after or 0.0) > LONGEST_WAIT:
                    raise
                await asyncio.sleep(pause_before_next(error, attempt))
        return await self._inner.embed(call)


def pause_before_next(error: ProviderError, attempt: int) -> float:
    """Seconds between the failed `attempt`, counted from 1, and the next."""
    bound = min(LAST_BOUND, FIRST_BOUND * (1 << (attempt - 1)))
    return (error.retry_after or 0.0) + random.uniform(0, bound)  # noqa: S311
