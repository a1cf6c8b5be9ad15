"""One call's money over all its attempts: never more than the budget holds, whatever breaks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from decimal import Decimal
from typing import Any

import pytest

from accounts.tenancy import in_tenant
from gateway import client
from gateway.errors import BudgetExceeded, ProviderTimeout, RateLimited, StreamBroken
from gateway.models import Budget
from gateway.purse import Metered, Purse
from gateway.types import Call, Caller, Finished, FinishReason, StreamEvent, TextDelta, Trace, Usage, UsageReport
from tests.conftest import Cast
from tests.gateway.test_client import DONE, FREE, PAID, SPARE, Play, Scripted, ask, books, caller, play, records

__all__ = ["caller", "play"]

FULL = Decimal("0.212")  # 12 bytes of prompt and 100 tokens of output


class Noting(Scripted):
    """Keeps the calls that reach it."""

    def stream(self, call: Call, trace: Trace) -> AsyncGenerator[StreamEvent, None]:
        self.last = call
        return super().stream(call, trace)


class Signalling(Scripted):
    """Says that it was reached, and waits for ever."""

    def __init__(self, reached: asyncio.Event) -> None:
        super().__init__(PAID, (None,))
        self._reached = reached

    def stream(self, call: Call, trace: Trace) -> AsyncGenerator[StreamEvent, None]:
        self._reached.set()
        return super().stream(call, trace)


@pytest.fixture
def limit(cast: Cast) -> Any:
    async def set_limit(amount: str) -> None:
        await in_tenant(cast.acme.pk, lambda: Budget.objects.create(tenant=cast.acme, limit=Decimal(amount)))

    return set_limit


@pytest.mark.threat("B6")
async def test_the_answer_is_shorter_where_the_money_is_short(caller: Caller, play: Play, limit: Any) -> None:
    provider = Noting(PAID, (TextDelta("x"), *DONE))
    play(provider)
    await limit("0.15")
    await client.complete(ask(caller))
    (record,) = await records(caller)
    assert provider.last.options.max_tokens == 69
    assert record.attempts == [{"model": "paid", "max_tokens": 69, "because": "budget"}]


@pytest.mark.threat("B6")
async def test_calls_that_hold_much_and_need_little_do_not_keep_others_out(
    caller: Caller, play: Play, limit: Any
) -> None:
    play(Scripted(PAID, (TextDelta("x"), *DONE)))
    await limit("0.3")
    answers = await asyncio.gather(*(client.complete(ask(caller)) for _ in range(10)))
    assert [answer.text for answer in answers] == ["x"] * 10
    assert await books(caller) == (Decimal(0), 10 * Decimal("0.014"), 0)


@pytest.mark.threat("B1")
async def test_a_break_midway_never_spends_more_than_there_is(caller: Caller, play: Play, limit: Any) -> None:
    broken, spare = Scripted(PAID, (TextDelta("x" * 150), StreamBroken("cut"))), Scripted(SPARE, DONE)
    play(broken, spare)
    await limit("0.22")
    with pytest.raises(BudgetExceeded):
        await client.complete(ask(caller))
    reserved, settled, open_ = await books(caller)
    assert (spare.calls, reserved, open_) == (0, 0, 0)
    assert settled == Decimal("0.11"), "ten tokens read and fifty written"


async def test_what_money_no_longer_holds_is_finished_by_a_cheaper_model(
    caller: Caller, play: Play, limit: Any
) -> None:
    broken = Scripted(PAID, (TextDelta("x" * 150), StreamBroken("cut")))
    play(broken, Scripted(SPARE, DONE), Scripted(FREE, (TextDelta("quoted"), *DONE)))
    await limit("0.22")
    assert (await client.complete(ask(caller))).text == "quoted"


@pytest.mark.threat("B1")
async def test_the_next_attempt_is_held_on_top_of_what_the_first_spent(caller: Caller, play: Play, limit: Any) -> None:
    play(Scripted(PAID, (TextDelta("x" * 150), StreamBroken("cut"))), Scripted(SPARE, (TextDelta("y"), *DONE)))
    await limit("5")
    async with client.stream(ask(caller)) as stream:
        async for event in stream:
            if event == TextDelta("y"):
                assert (await books(caller))[0] == FULL + Decimal("0.11")
    assert await books(caller) == (Decimal(0), Decimal("0.124"), 0)


@pytest.mark.threat("B1")
async def test_two_attempts_at_once_hold_and_pay_twice(caller: Caller, limit: Any, live_db: Any) -> None:
    await limit("5")
    call, trace = ask(caller), Trace()
    purse = Purse(trace)
    begun = asyncio.Event()
    loser = Metered(Signalling(begun), purse)
    winner = Metered(Scripted(SPARE, (TextDelta("y"), *DONE)), purse)
    async with aclosing(loser.stream(call, trace)) as lost:
        waiting = asyncio.ensure_future(anext(lost))
        await begun.wait()
        async for _event in winner.stream(call, trace):
            pass
        assert (await books(caller))[0] == 2 * FULL
        waiting.cancel()
        await asyncio.wait([waiting])
    assert trace.cost == Decimal("0.014") + Decimal("0.01"), "the loser had read its prompt"


@pytest.mark.threat("B3")
@pytest.mark.parametrize(
    ("error", "spent"),
    [
        (ProviderTimeout(phase="first_token"), Decimal("0.01")),
        (ProviderTimeout(phase="connect"), Decimal(0)),
        (RateLimited(retry_after=60), Decimal(0)),
    ],
)
async def test_an_attempt_without_an_answer_costs_its_prompt_where_the_provider_read_it(
    caller: Caller, play: Play, error: Exception, spent: Decimal
) -> None:
    play(Scripted(PAID, (error,)))  # type: ignore[arg-type]
    with pytest.raises(type(error)):
        await client.complete(ask(caller))
    (record,) = await records(caller)
    assert (record.cost, (await books(caller))[1]) == (spent, spent)


@pytest.mark.threat("B1")
async def test_a_model_that_takes_all_it_may_ends_exactly_within_the_limit(
    caller: Caller, play: Play, limit: Any
) -> None:
    greedy = (TextDelta("x"), UsageReport(Usage(input_tokens=12, output_tokens=69)), Finished(FinishReason.LENGTH))
    play(Scripted(PAID, greedy))
    await limit("0.15")
    await client.complete(ask(caller))
    assert await books(caller) == (Decimal(0), Decimal("0.15"), 0)
    with pytest.raises(BudgetExceeded):
        await client.complete(ask(caller))
