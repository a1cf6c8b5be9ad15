"""Waiting for one's turn: bounded, fair, and over as soon as it can be."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence

import pytest

from gateway.errors import LimitExceeded
from gateway.limits.learnt import Learnt, Window
from gateway.limits.line import Line
from gateway.limits.rates import Rates
from gateway.limits.store import Demand, Grant, MemoryStore


class Counting(MemoryStore):
    """How often it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    async def take(self, demands: Sequence[Demand]) -> Grant:
        self.asked += 1
        await asyncio.sleep(0)
        return await super().take(demands)


async def enter(line: Line, tenant: int = 1, *, tokens: float = 10, batch: bool = False, patience: float = 5) -> None:
    await line.enter(tokens, tenant=tenant, batch=batch, patience=patience)


async def drained(line: Line, calls: int) -> None:
    await asyncio.gather(*(enter(line) for _ in range(calls)))


async def test_no_limit_asks_nobody() -> None:
    store = Counting()
    line = Line("provider:a", Rates(), store)
    await drained(line, 1000)
    assert store.asked == 0


async def test_a_busy_line_asks_the_store_seldom() -> None:
    store = Counting()
    line = Line("provider:a", Rates(requests=600_000, tokens=60_000_000), store)
    for _ in range(5):
        await drained(line, 1000)
    assert store.asked < 60


async def test_no_more_than_the_limit_go_and_the_rest_hear_when_to_come_back() -> None:
    line = Line("user:a", Rates(requests=20), MemoryStore())
    results = await asyncio.gather(*(enter(line, patience=0.1) for _ in range(30)), return_exceptions=True)
    refused = [each for each in results if isinstance(each, LimitExceeded)]
    assert (len(results) - len(refused), len(refused)) == (20, 10)
    assert all(0 < each.retry_after <= 3 for each in refused)
    assert {(each.code, each.retryable) for each in refused} == {("limit_exceeded", True)}


async def test_whoever_would_wait_too_long_is_told_at_once() -> None:
    line = Line("user:a", Rates(requests=6), MemoryStore())
    await drained(line, 6)
    begun = time.monotonic()
    with pytest.raises(LimitExceeded):
        await enter(line, patience=5)
    assert time.monotonic() - begun < 1, "the next turn is ten seconds away"


async def test_tokens_are_counted_as_well_as_calls() -> None:
    line = Line("tenant:1", Rates(requests=1000, tokens=1000), MemoryStore())
    await enter(line, tokens=700)
    with pytest.raises(LimitExceeded):
        await enter(line, tokens=700, patience=0.05)
    await enter(line, tokens=200)


async def test_tokens_that_were_not_needed_are_given_back() -> None:
    line = Line("tenant:1", Rates(tokens=1000), MemoryStore())
    await enter(line, tokens=800)
    line.give_back(700)
    await enter(line, tokens=800, patience=0.1)


async def test_a_call_bigger_than_the_limit_passes_when_the_bucket_is_full() -> None:
    line = Line("tenant:1", Rates(tokens=1000), MemoryStore())
    await enter(line, tokens=50_000, batch=True)


async def test_a_wait_can_be_cancelled_and_takes_nothing() -> None:
    line = Line("user:a", Rates(requests=60), MemoryStore())
    await drained(line, 60)
    waiting = [asyncio.create_task(enter(line)) for _ in range(3)]
    await asyncio.sleep(0.05)
    for task in waiting[:2]:
        task.cancel()
    begun = time.monotonic()
    await waiting[2]
    assert time.monotonic() - begun < 1.5, "those who left are not waited for"
    assert all(task.cancelled() for task in waiting[:2])


async def test_a_noisy_tenant_delays_another_by_a_turn_and_not_by_its_queue() -> None:
    line = Line("provider:a", Rates(requests=600), MemoryStore())  # ten a second
    await drained(line, 600)
    order: list[int] = []

    async def call(tenant: int) -> None:
        await enter(line, tenant)
        order.append(tenant)

    noisy = [asyncio.create_task(call(1)) for _ in range(30)]
    await asyncio.sleep(0.25)
    quiet = [asyncio.create_task(call(2)) for _ in range(5)]
    await asyncio.gather(*noisy, *quiet)
    ahead = order.index(2)
    assert Counter(order[ahead : ahead + 10])[2] >= 4, order
    assert ahead <= 5, order


async def test_people_go_before_batch_work_which_still_moves() -> None:
    line = Line("provider:a", Rates(requests=1200), MemoryStore())  # twenty a second
    await drained(line, 1200)
    order: list[str] = []

    async def call(kind: str) -> None:
        await enter(line, batch=kind == "batch", patience=30)
        order.append(kind)

    batch = [asyncio.create_task(call("batch")) for _ in range(20)]
    await asyncio.sleep(0.05)
    people = [asyncio.create_task(call("person")) for _ in range(20)]
    await asyncio.gather(*people)
    assert order.count("batch") <= 5
    for task in batch:
        task.cancel()


async def test_batch_work_in_another_process_leaves_some_for_people() -> None:
    store = MemoryStore()
    worker, web = (Line("provider:a", Rates(requests=60), store) for _ in range(2))
    results = await asyncio.gather(
        *(enter(worker, batch=True, patience=0.05) for _ in range(60)), return_exceptions=True
    )
    assert sum(each is None for each in results) == pytest.approx(48, abs=1)
    for _ in range(10):
        await enter(web, patience=0.05)


async def test_what_the_provider_says_of_its_limits_is_kept_to() -> None:
    line = Line("provider:a", Rates(), MemoryStore())
    await enter(line)
    line.learn(Learnt(requests=Window(per_minute=10, left=0.2)))
    results = await asyncio.gather(*(enter(line, patience=0.1) for _ in range(5)), return_exceptions=True)
    assert sum(each is None for each in results) == 2


async def test_the_operators_limit_stays_where_the_provider_allows_more() -> None:
    line = Line("provider:a", Rates(requests=5), MemoryStore())
    line.learn(Learnt(requests=Window(per_minute=10_000, left=1)))
    results = await asyncio.gather(*(enter(line, patience=0.05) for _ in range(9)), return_exceptions=True)
    assert sum(each is None for each in results) == 5


@pytest.mark.threat("V1")
async def test_nobody_goes_before_the_provider_says() -> None:
    line = Line("provider:a", Rates(), MemoryStore())
    line.block(0.3)
    begun = time.monotonic()
    await enter(line)
    assert time.monotonic() - begun >= 0.29
    line.block(20)
    with pytest.raises(LimitExceeded) as refused:
        await enter(line)
    assert refused.value.retry_after == pytest.approx(20, abs=0.5)


async def test_a_store_that_breaks_is_an_error_and_no_endless_wait() -> None:
    class Broken(MemoryStore):
        async def take(self, demands: Sequence[Demand]) -> Grant:
            raise ConnectionError("gone")

    line = Line("provider:a", Rates(requests=5), Broken())
    with pytest.raises(ConnectionError):
        await enter(line)
