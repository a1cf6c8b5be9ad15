"""The next candidate when a provider fails. After the first token the text so far is retracted.

When one that only quotes has to speak for a model that failed, the trace says so.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from gateway.base import Candidate
from gateway.degraded import how_degraded
from gateway.errors import GatewayError, NoCandidate, Unsupported
from gateway.hedge import race
from gateway.types import Call, Retracted, StreamEvent, TextDelta, ToolCallDelta, Trace


class Fallback:
    """Tries the candidates in order; raises the last one's error, unless that only says that it
    cannot do such a thing, which explains nothing."""

    def __init__(self, candidates: Sequence[Candidate]) -> None:
        self._candidates = candidates

    async def stream(self, call: Call, trace: Trace) -> AsyncGenerator[StreamEvent, None]:
        waiting, last = deque(self._candidates), None
        while waiting:
            shown = False
            try:
                async with aclosing(self._begin(waiting, call, trace)) as events:
                    async for event in events:
                        shown = shown or isinstance(event, TextDelta | ToolCallDelta)
                        yield event
                return
            except GatewayError as error:
                if not error.fallback:
                    raise
                last = error if last is None or not isinstance(error, Unsupported) else last
                code = error.code
            if shown and waiting:
                yield Retracted(code)
        raise last or NoCandidate()

    def _begin(self, waiting: deque[Candidate], call: Call, trace: Trace) -> AsyncGenerator[StreamEvent, None]:
        candidate = waiting[0]
        trace.provider, trace.model = candidate.name, candidate.profile.id
        trace.degraded = how_degraded(candidate, self._candidates[0])
        if call.options.hedge_after and candidate.profile.generates:
            return race(waiting, call, trace)
        return waiting.popleft().stream(call, trace)
