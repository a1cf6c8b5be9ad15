"""The next candidate when a provider fails. After the first token the text so far is retracted."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from gateway.base import Candidate
from gateway.errors import GatewayError, NoCandidate
from gateway.types import Call, Retracted, StreamEvent, TextDelta, ToolCallDelta, Trace


class Fallback:
    """Tries the candidates in order; raises the last one's error."""

    def __init__(self, candidates: Sequence[Candidate]) -> None:
        self._candidates = candidates

    async def stream(self, call: Call, trace: Trace) -> AsyncGenerator[StreamEvent, None]:
        last: GatewayError = NoCandidate()
        for candidate in self._candidates:
            shown = False
            trace.provider, trace.model = candidate.name, candidate.profile.id
            try:
                async with aclosing(candidate.stream(call, trace)) as events:
                    async for event in events:
                        shown = shown or isinstance(event, TextDelta | ToolCallDelta)
                        yield event
                return
            except GatewayError as error:
                if not error.fallback:
                    raise
                last = error
            if shown and candidate is not self._candidates[-1]:
                yield Retracted(last.code)
        raise last
