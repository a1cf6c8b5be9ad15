"""Two candidates at once: who is heard, who is closed, and what becomes of the rest."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from gateway.errors import GatewayError, Overloaded, StreamBroken
from gateway.fallback import Fallback
from gateway.profiles import ModelProfile, completion_profile
from gateway.types import Call, Degraded, Finished, FinishReason, Retracted, StreamEvent, TextDelta, Trace
from tests.contracts.cases import call

END = Finished(FinishReason.STOP)
PROFILE = completion_profile("gpt-6-luna")
Step = float | str | Exception


class Played:
    """Sleeps for numbers, says texts, raises errors, and ends well unless it raised."""

    def __init__(self, name: str, *steps: Step, generates: bool = True) -> None:
        self.name, self._steps = name, steps
        self.profile: ModelProfile = dataclasses.replace(PROFILE, id=name, generates=generates)
        self.begun = self.closed = 0

    async def stream(self, call: Call, trace: Trace) -> AsyncGenerator[StreamEvent, None]:
        self.begun += 1
        task = asyncio.current_task()
        try:
            for step in self._steps:
                if isinstance(step, Exception):
                    raise step
                if isinstance(step, str):
                    yield TextDelta(step)
                else:
                    await asyncio.sleep(step)
            yield END
        finally:
            self.closed += 1
            assert asyncio.current_task() is task, "closed in the task that opened it"


async def run(*candidates: Played, trace: Trace | None = None, after: float = 0.05) -> list[StreamEvent]:
    stream = Fallback(candidates).stream(call(hedge_after=after), trace or Trace())
    return [event async for event in stream]


async def test_who_speaks_in_time_is_alone() -> None:
    first, second = Played("first", "a"), Played("second", "b")
    assert await run(first, second) == [TextDelta("a"), END]
    assert second.begun == 0


async def test_the_second_is_heard_when_the_first_is_slow() -> None:
    first, second, trace = Played("first", 60, "a"), Played("second", "b", "c"), Trace()
    assert await run(first, second, trace=trace) == [TextDelta("b"), TextDelta("c"), END]
    assert (first.begun, first.closed) == (1, 1)
    assert (trace.provider, trace.model, trace.degraded) == ("second", "second", Degraded.NO)
    assert trace.attempts == [{"model": "first", "error": "outrun", "attempt": 1}]


async def test_the_first_is_heard_when_it_speaks_first_after_all() -> None:
    first, second, trace = Played("first", 0.15, "a"), Played("second", 60, "b"), Trace()
    assert await run(first, second, trace=trace) == [TextDelta("a"), END]
    assert (second.begun, second.closed, trace.model) == (1, 1, "first")


async def test_one_that_fails_leaves_the_other_to_speak() -> None:
    assert await run(Played("first", 0.1, Overloaded()), Played("second", 0.2, "b")) == [TextDelta("b"), END]
    assert await run(Played("first", 0.2, "a"), Played("second", Overloaded())) == [TextDelta("a"), END]


async def test_a_first_that_fails_early_is_followed_by_the_next_at_once() -> None:
    assert await run(Played("first", Overloaded()), Played("second", "b"), after=30) == [TextDelta("b"), END]


async def test_when_both_fail_the_third_is_tried() -> None:
    first, second = Played("first", 0.1, Overloaded()), Played("second", StreamBroken())
    assert await run(first, second, Played("third", "c")) == [TextDelta("c"), END]
    with pytest.raises(GatewayError):
        await run(Played("first", 0.1, Overloaded()), Played("second", StreamBroken()))


@pytest.mark.threat("V6")
async def test_the_slower_one_takes_over_when_the_faster_breaks_and_nothing_is_doubled() -> None:
    first = Played("first", 0.1, "whole")
    second = Played("second", "ha", 0.05, StreamBroken("cut"))
    events = await run(first, second)
    assert events == [TextDelta("ha"), Retracted("stream_broken"), TextDelta("whole"), END]
    assert (first.begun, second.begun) == (2, 1)


async def test_quotes_never_race_a_model() -> None:
    quotes = Played("quotes", "q", generates=False)
    assert await run(Played("first", 0.15, "a"), quotes) == [TextDelta("a"), END]
    assert quotes.begun == 0


async def test_without_the_option_nobody_is_hurried() -> None:
    second = Played("second", "b")
    assert await run(Played("first", 0.1, "a"), second, after=0) == [TextDelta("a"), END]
    assert second.begun == 0


@pytest.mark.threat("B2", "R5")
async def test_stop_closes_both() -> None:
    first, second = Played("first", 60), Played("second", 60)
    task = asyncio.create_task(run(first, second))
    await asyncio.sleep(0.15)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (first.begun, first.closed, second.begun, second.closed) == (1, 1, 1, 1)


async def test_a_reader_who_leaves_closes_who_speaks() -> None:
    second = Played("second", "b", 60)
    async with aclosing(Fallback([Played("first", 60), second]).stream(call(hedge_after=0.05), Trace())) as events:
        assert await anext(events) == TextDelta("b")
    assert second.closed == 1


async def test_a_bug_in_a_candidate_is_not_hidden_by_the_other() -> None:
    with pytest.raises(ZeroDivisionError):
        await run(Played("first", 0.1, ZeroDivisionError()), Played("second", 0.2, "b"))
