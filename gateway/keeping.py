"""What a caller asked for that can be kept whatever the provider: where to stop, and strict tools.

The text that could be the beginning of a stop sequence is held back until it is known not to be one.
At a stop the provider's stream is closed, so that nothing more is written or paid for; its usage is
then an estimate (B3).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from gateway.schemas import valid, validator
from gateway.types import JSON, Finished, FinishReason, Options, StreamEvent, TextDelta, ToolCallDelta


async def kept(events: AsyncGenerator[StreamEvent, None], options: Options) -> AsyncGenerator[StreamEvent, None]:
    """The events, ended where `options.stop` says. Raises `InvalidOutput` for a call to a strict tool
    that its schema refuses, and `InvalidRequest` for a schema that is none."""
    stopper, calls = Stopper(options.stop), _StrictCalls(options)
    async with aclosing(events) as inner:
        async for event in inner:
            match event:
                case TextDelta():
                    if said := stopper.said(event.text):
                        yield TextDelta(said)
                    if stopper.stopped_at:
                        yield Finished(FinishReason.STOP, stopped_at=stopper.stopped_at)
                        return
                    continue
                case ToolCallDelta():
                    calls.note(event)
                case Finished():
                    if left := stopper.rest():
                        yield TextDelta(left)
                    calls.check()
            yield event


class Stopper:
    """Lets text through up to the first of the stop sequences, wherever it is cut into pieces."""

    def __init__(self, stops: tuple[str, ...]) -> None:
        self._stops = stops
        self._longest = max(map(len, stops), default=0)
        self._held = ""
        self.stopped_at = ""

    def said(self, text: str) -> str:
        """What of the text so far can be shown."""
        self._held += text
        places = [(place, stop) for stop in self._stops if (place := self._held.find(stop)) >= 0]
        if places:
            place, self.stopped_at = min(places, key=lambda each: each[0])
            shown, self._held = self._held[:place], ""
            return shown
        known = len(self._held) - self._beginning()
        shown, self._held = self._held[:known], self._held[known:]
        return shown

    def rest(self) -> str:
        """What was held back for nothing."""
        left, self._held = self._held, ""
        return left

    def _beginning(self) -> int:
        """How many of the last characters could be the beginning of a stop sequence."""
        most = min(self._longest - 1, len(self._held))
        return next((n for n in range(most, 0, -1) if any(s.startswith(self._held[-n:]) for s in self._stops)), 0)


class _StrictCalls:
    """The calls to strict tools, put together to be checked at their end."""

    def __init__(self, options: Options) -> None:
        self._checks = {tool.name: validator(tool.parameters) for tool in options.tools if tool.strict}
        self._calls: dict[int, JSON] = {}

    def note(self, delta: ToolCallDelta) -> None:
        call = self._calls.setdefault(delta.index, {"name": "", "arguments": ""})
        call["name"] += delta.name
        call["arguments"] += delta.arguments

    def check(self) -> None:
        """Raises `InvalidOutput`."""
        for call in self._calls.values():
            if call["name"] in self._checks:
                valid(call["arguments"] or "{}", self._checks[call["name"]])
