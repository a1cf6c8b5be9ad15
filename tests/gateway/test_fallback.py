"""The next candidate: after which errors, and what becomes of the text so far."""

from __future__ import annotations

import pytest

from gateway.errors import BudgetExceeded, GatewayError, InvalidCredentials, NoCandidate, StreamBroken, Unsupported
from gateway.fallback import Fallback
from gateway.retry import Retrying
from gateway.timeouts import Timed
from gateway.types import Retracted, StreamEvent, TextDelta, Trace
from tests.contracts.cases import call
from tests.gateway.test_retry import END, Failing


async def run(*providers: Failing, trace: Trace | None = None) -> list[StreamEvent]:
    chain = Fallback([Retrying(Timed(each)) for each in providers])
    return [event async for event in chain.stream(call(), trace or Trace())]


@pytest.mark.parametrize("error", [InvalidCredentials(), Unsupported()])
async def test_the_next_one_answers(error: GatewayError) -> None:
    trace = Trace()
    assert await run(Failing(error), Failing(), trace=trace) == [TextDelta("answer"), END]  # type: ignore[arg-type]
    assert (trace.provider, trace.model) == ("failing", "gpt-6-luna")


@pytest.mark.threat("V6")
async def test_text_that_was_shown_is_taken_back_first() -> None:
    events = await run(Failing(StreamBroken(), after="half"), Failing())
    assert events == [TextDelta("half"), Retracted("stream_broken"), TextDelta("answer"), END]


async def test_the_last_error_is_the_one_that_is_told() -> None:
    with pytest.raises(StreamBroken):
        await run(Failing(InvalidCredentials()), Failing(StreamBroken(), after="half"))


async def test_an_error_of_our_own_ends_it() -> None:
    spare = Failing()
    with pytest.raises(BudgetExceeded):
        await run(Failing(BudgetExceeded()), spare)  # type: ignore[arg-type]
    assert spare.calls == 0


async def test_without_candidates_there_is_no_answer() -> None:
    with pytest.raises(NoCandidate):
        await run()
