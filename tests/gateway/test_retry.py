"""The same provider again: when, how often, and after how long a wait."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from gateway import retry
from gateway.errors import (
    ConnectionFailed,
    InvalidCredentials,
    Overloaded,
    ProviderError,
    ProviderTimeout,
    QuotaExhausted,
    RateLimited,
    StreamBroken,
)
from gateway.profiles import completion_profile, embedding_profile
from gateway.retry import ATTEMPTS, Retrying, RetryingEmbedder, pause_before_next
from gateway.timeouts import Timed
from gateway.types import Call, Caller, EmbeddingCall, Finished, FinishReason, StreamEvent, TextDelta, Trace, Usage
from tests.contracts.cases import call

END = Finished(FinishReason.STOP)


class Failing:
    """Raises its errors in turn, then answers; `after` is said before each error."""

    name = "failing"
    profile = completion_profile("gpt-6-luna")

    def __init__(self, *errors: ProviderError, after: str = "") -> None:
        self._errors, self._after = list(errors), after
        self.calls = 0

    async def stream(self, call: Call, trace: Trace) -> AsyncGenerator[StreamEvent, None]:
        self.calls += 1
        if self._errors:
            if self._after:
                yield TextDelta(self._after)
            raise self._errors.pop(0)
        yield TextDelta("answer")
        yield END

    async def aclose(self) -> None:
        """Holds nothing."""


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that were asked for, none of which is waited for."""
    asked: list[float] = []

    async def sleep(seconds: float) -> None:
        asked.append(seconds)

    monkeypatch.setattr(retry.asyncio, "sleep", sleep)
    return asked


async def run(provider: Failing, trace: Trace | None = None) -> list[StreamEvent]:
    return [event async for event in Retrying(Timed(provider)).stream(call(), trace or Trace())]


@pytest.mark.parametrize("error", [ConnectionFailed(), Overloaded(), StreamBroken(), ProviderTimeout(phase="connect")])
async def test_what_may_pass_is_tried_again(error: ProviderError, waits: list[float]) -> None:
    trace, provider = Trace(), Failing(error)
    assert await run(provider, trace) == [TextDelta("answer"), END]
    assert [(each["error"], each["attempt"]) for each in trace.attempts] == [(error.code, 1)]


@pytest.mark.threat("V2", "V10")
@pytest.mark.parametrize(
    "error", [QuotaExhausted(), InvalidCredentials(), *(ProviderTimeout(phase=p) for p in ("first_token", "total"))]
)
async def test_what_will_not_pass_is_not(error: ProviderError, waits: list[float]) -> None:
    provider = Failing(error)
    with pytest.raises(type(error)):
        await run(provider)
    assert (provider.calls, waits) == (1, [])


async def test_it_gives_up_after_so_many(waits: list[float]) -> None:
    provider = Failing(*[Overloaded() for _ in range(9)])
    with pytest.raises(Overloaded):
        await run(provider)
    assert (provider.calls, len(waits)) == (ATTEMPTS, ATTEMPTS - 1)


def test_the_pause_is_anything_up_to_a_bound_that_doubles() -> None:
    for attempt, bound in ((1, 0.5), (2, 1.0), (3, 2.0), (4, 4.0), (9, 4.0)):
        pauses = [pause_before_next(Overloaded(), attempt) for _ in range(2000)]
        assert 0 <= min(pauses) < bound * 0.05
        assert bound * 0.95 < max(pauses) <= bound
        assert sum(pauses) / len(pauses) == pytest.approx(bound / 2, rel=0.1)


@pytest.mark.threat("V1")
async def test_it_waits_as_long_as_it_is_asked_to(waits: list[float]) -> None:
    assert (await run(Failing(RateLimited(retry_after=2.0))))[-1] == END
    assert 2.0 <= waits[0] <= 2.5, "and not all at the same moment"


@pytest.mark.threat("V1")
async def test_a_long_wait_is_left_to_the_next_provider(waits: list[float]) -> None:
    provider = Failing(RateLimited(retry_after=60.0))
    with pytest.raises(RateLimited):
        await run(provider)
    assert (provider.calls, waits) == (1, [])


@pytest.mark.threat("V8")
async def test_a_pause_that_outlasts_the_call_is_not_begun(waits: list[float]) -> None:
    provider = Failing(Overloaded(retry_after=4))
    soon = asyncio.get_running_loop().time() + 3
    with pytest.raises(Overloaded):
        _ = [event async for event in Retrying(Timed(provider), until=soon).stream(call(), Trace())]
    assert (provider.calls, waits) == (1, [])


@pytest.mark.threat("V6")
async def test_nothing_is_tried_again_once_something_was_said(waits: list[float]) -> None:
    provider = Failing(StreamBroken(), after="half")
    with pytest.raises(StreamBroken):
        await run(provider)
    assert provider.calls == 1


async def test_stop_is_heard_while_waiting() -> None:
    task = asyncio.create_task(run(Failing(RateLimited(retry_after=4.0))))
    await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


class FailingVectors:
    """Raises its errors in turn, then gives vectors."""

    name = "failing"
    profile = embedding_profile("all-MiniLM-L6-v2")

    def __init__(self, *errors: ProviderError) -> None:
        self._errors = list(errors)
        self.calls = 0

    async def embed(self, call: EmbeddingCall) -> tuple[list[list[float]], Usage]:
        self.calls += 1
        if self._errors:
            raise self._errors.pop(0)
        return [[1.0]], Usage(input_tokens=1)


async def test_vectors_are_asked_for_again_too(waits: list[float]) -> None:
    wanted, trace = EmbeddingCall(Caller(1), ("text",)), Trace()
    provider = FailingVectors(Overloaded(), RateLimited(retry_after=1))
    assert (await RetryingEmbedder(provider, trace).embed(wanted))[0] == [[1.0]]
    assert [each["error"] for each in trace.attempts] == ["overloaded", "rate_limited"]
    assert (provider.calls, len(waits)) == (3, 2)


@pytest.mark.threat("V2", "V10")
@pytest.mark.parametrize("error", [QuotaExhausted(), InvalidCredentials(), RateLimited(retry_after=60)])
async def test_vectors_that_will_not_come_are_not(error: ProviderError, waits: list[float]) -> None:
    provider = FailingVectors(error)
    with pytest.raises(type(error)):
        await RetryingEmbedder(provider, Trace()).embed(EmbeddingCall(Caller(1), ("text",)))
    assert (provider.calls, waits) == (1, [])
