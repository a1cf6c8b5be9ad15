"""`Redacted`: a candidate that is not cleared sees placeholders, and whoever asked sees the values."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing

from gateway.base import Candidate
from gateway.redaction.placeholders import Restoring
from gateway.redaction.redaction import Redaction
from gateway.types import Call, Finished, StreamEvent, TextDelta, ToolCallDelta, Trace

Cleared = Callable[[str], Awaitable[bool]]  # whether a provider may read the tenant's texts as they are


class Redacted:
    """Values are put back outside of everything that checks or counts what the provider wrote. Raises
    `RedactionFailed`, after which no other candidate is asked."""

    def __init__(self, inner: Candidate, redaction: Redaction, cleared: Cleared) -> None:
        self._inner, self._redaction, self._cleared = inner, redaction, cleared
        self.name, self.profile = inner.name, inner.profile

    async def stream(self, call: Call, trace: Trace) -> AsyncGenerator[StreamEvent, None]:
        if await self._cleared(self.profile.provider):
            events = self._inner.stream(call, trace)
        else:
            sent = await self._redaction.sent()
            trace.redaction = self._redaction.counts
            events = _restored(self._inner.stream(sent, trace), self._redaction, json=call.options.output is not None)
        async with aclosing(events) as shown:
            async for event in shown:
                yield event


async def _restored(
    events: AsyncGenerator[StreamEvent, None], redaction: Redaction, *, json: bool
) -> AsyncGenerator[StreamEvent, None]:
    text = redaction.restoring(json=json)
    calls: dict[int, Restoring] = {}
    async with aclosing(events) as inner:
        async for event in inner:
            match event:
                case TextDelta():
                    if shown := text.feed(event.text):
                        yield TextDelta(shown)
                    continue
                case ToolCallDelta():
                    arguments = calls.setdefault(event.index, redaction.restoring(json=True)).feed(event.arguments)
                    event = ToolCallDelta(event.index, event.id, event.name, arguments, event.signature)
                case Finished():
                    for held in _held(text, calls):
                        yield held
            yield event


def _held(text: Restoring, calls: dict[int, Restoring]) -> list[StreamEvent]:
    """What nothing followed that would have made it a placeholder."""
    rest = text.end()
    held: list[StreamEvent] = [TextDelta(rest)] if rest else []
    for index, arguments in calls.items():
        if rest := arguments.end():
            held.append(ToolCallDelta(index, "", "", rest))
    return held
