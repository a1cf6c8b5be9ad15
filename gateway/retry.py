"""The same provider once more, when its error says that this may help and nothing was shown yet."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator
from contextlib import aclosing

from gateway.base import Candidate
from gateway.errors import ProviderError, RateLimited
from gateway.types import Call, StreamEvent, Trace

ATTEMPTS = 3
FIRST_PAUSE, LONGEST_PAUSE = 0.25, 5.0  # seconds


class Retrying:
    """At most `ATTEMPTS` tries; never after the first event, so no text comes twice (V6). A wait
    that the provider asks for and that is longer than `LONGEST_PAUSE` is left to the fallback."""

    def __init__(self, inner: Candidate) -> None:
        self._inner = inner
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
                pause = _pause(error, attempt)
                if begun or not error.retryable or attempt == ATTEMPTS or pause > LONGEST_PAUSE:
                    raise
            await asyncio.sleep(pause)


def _pause(error: ProviderError, attempt: int) -> float:
    """Seconds: what the provider asks for, otherwise doubling with jitter."""
    if isinstance(error, RateLimited) and error.retry_after is not None:
        return error.retry_after
    return FIRST_PAUSE * (1 << (attempt - 1)) * random.uniform(0.5, 1.0)  # noqa: S311
