"""Each limit has its own phase, and a provider that is cut off is closed."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncGenerator

import pytest

from gateway.errors import ProviderTimeout
from gateway.profiles import completion_profile
from gateway.timeouts import Timed
from gateway.types import Call, Finished, FinishReason, StreamEvent, TextDelta, Trace
from tests.contracts.cases import call

END = Finished(FinishReason.STOP)


class Slow:
    """Waits before each event, for ever where there is None."""

    name = "slow"
    profile = completion_profile("gpt-6-luna")

    def __init__(self, *pauses: float | None) -> None:
        self._pauses = pauses
        self.closed = False

    async def stream(self, call: Call, trace: Trace) -> AsyncGenerator[StreamEvent, None]:
        try:
            for pause in self._pauses:
                await (asyncio.sleep(pause) if pause is not None else asyncio.Event().wait())
                yield TextDelta("x")
            yield END
        finally:
            self.closed = True

    async def aclose(self) -> None:
        """Holds nothing."""


async def run(provider: Slow, **limits: float) -> list[StreamEvent]:
    return [event async for event in Timed(provider).stream(call(**limits), Trace())]


@pytest.mark.threat("V5", "V8")
@pytest.mark.parametrize(
    ("pauses", "limits", "phase"),
    [
        ([None], {"first_token_timeout": 0.05}, "first_token"),
        ([0.0, None], {"stall_timeout": 0.05}, "stall"),
        ([0.04] * 20, {"total_timeout": 0.15, "stall_timeout": 1}, "total"),
        ([None], {"total_timeout": 0.05}, "total"),
    ],
)
async def test_each_limit_is_told_apart(pauses: list[float | None], limits: dict[str, float], phase: str) -> None:
    provider = Slow(*pauses)
    with pytest.raises(ProviderTimeout) as caught:
        await run(provider, **limits)
    assert (caught.value.phase, provider.closed) == (phase, True)


@pytest.mark.threat("V8")
async def test_the_whole_is_the_calls_whatever_was_tried_before() -> None:
    loop = asyncio.get_running_loop()
    for left in (0.05, -1):
        provider = Slow(None)
        with pytest.raises(ProviderTimeout) as caught:
            _ = [event async for event in Timed(provider, until=loop.time() + left).stream(call(), Trace())]
        assert caught.value.phase == "total"
        assert provider.closed is (left > 0), "with no time left it is not even asked"


async def test_a_slow_first_word_is_no_stall() -> None:
    assert (await run(Slow(0.1, 0.0), first_token_timeout=2, stall_timeout=0.05))[-1] == END


async def test_a_model_that_reads_slowly_is_given_its_time() -> None:
    provider = Slow(0.1)
    provider.profile = dataclasses.replace(provider.profile, first_token_timeout=2)
    assert (await run(provider, first_token_timeout=0.02))[-1] == END


async def test_nothing_is_read_after_the_end() -> None:
    provider = Slow(0.0)
    assert await run(provider) == [TextDelta("x"), END]
    assert provider.closed
