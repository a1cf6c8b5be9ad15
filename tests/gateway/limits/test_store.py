"""Three stores, one contract: nobody ever gets more than there is, however many ask at once."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from accounts.tenancy import in_database
from gateway.limits.store import (
    Demand,
    Grant,
    Guarded,
    MemoryStore,
    PostgresStore,
    RedisStore,
    Store,
    forget_full,
    redis_store,
)
from tests.conftest import TestDatabase

Make = Callable[[], Store]


@pytest.fixture(params=["memory", "postgres", "redis"])
def make(request: pytest.FixtureRequest) -> Make:
    """A store, as each process makes its own: all of one test see the same buckets."""
    if request.param == "memory":
        shared = MemoryStore()
        return lambda: shared
    if request.param == "postgres":
        request.getfixturevalue("live_db")
        return PostgresStore
    url = request.getfixturevalue("redis_server").url
    return lambda: RedisStore(Redis.from_url(url))


@pytest.fixture
def key() -> str:
    return uuid.uuid4().hex


def demand(key: str, wanted: float = 1, lowest: float | None = None, per_minute: float = 60, **more: float) -> Demand:
    return Demand(key, wanted, wanted if lowest is None else lowest, 60 / per_minute, per_minute, **more)


async def test_a_bucket_holds_a_minutes_worth_and_refills(make: Make, key: str) -> None:
    store = make()
    assert (await store.take([demand(key, 60, per_minute=60)])).amounts == (60,)
    refused = await store.take([demand(key, per_minute=60)])
    assert refused.amounts == (0,)
    assert 0.5 < refused.wait <= 1
    assert (await store.take([demand(f"{key}-fast", 6000, per_minute=6000)])).amounts == (6000,)
    await asyncio.sleep(0.1)
    assert (await store.take([demand(f"{key}-fast", 5, per_minute=6000)])).amounts == (5,)


async def test_a_hundred_at_once_get_no_more_than_there_is(make: Make, key: str) -> None:
    grants = await asyncio.gather(*(make().take([demand(key, 1, per_minute=10)]) for _ in range(100)))
    assert sum(grant.amounts[0] for grant in grants) == 10


async def test_less_than_wanted_is_taken_but_not_less_than_needed(make: Make, key: str) -> None:
    store = make()
    await store.take([demand(key, 8, per_minute=10)])
    (amount,) = (await store.take([demand(key, 5, 1, per_minute=10)])).amounts
    assert 2 <= amount < 2.5
    assert (await store.take([demand(key, 5, 1, per_minute=10)])).amounts == (0,)


async def test_all_are_taken_or_none(make: Make, key: str) -> None:
    store, other = make(), f"{key}-other"
    await store.take([demand(other, 10, per_minute=10)])
    assert (await store.take([demand(key, 10, per_minute=10), demand(other, per_minute=10)])).amounts == (0, 0)
    assert (await store.take([demand(key, 10, per_minute=10)])).amounts == (10,)


async def test_what_is_kept_for_others_is_left(make: Make, key: str) -> None:
    store = make()
    assert (await store.take([demand(key, 10, 1, per_minute=10, kept=4)])).amounts[0] == pytest.approx(6, abs=0.1)
    assert (await store.take([demand(key, 1, per_minute=10, kept=4)])).amounts == (0,)
    assert (await store.take([demand(key, 3, per_minute=10)])).amounts == (3,)


async def test_what_is_given_back_can_be_taken_again(make: Make, key: str) -> None:
    store = make()
    await store.take([demand(key, 10, per_minute=10)])
    await store.take([demand(key, -4, -4, per_minute=10)])
    assert (await store.take([demand(key, 4, per_minute=10)])).amounts == (4,)
    assert (await store.take([demand(key, 1, per_minute=10)])).amounts == (0,)


async def test_what_the_provider_says_is_used_counts(make: Make, key: str) -> None:
    store = make()
    grant = await store.take([demand(key, 1, per_minute=60, owed=60)])
    assert (grant.amounts, round(grant.wait)) == ((0,), 1)
    assert (await store.take([demand(key, 1, per_minute=60)])).amounts == (0,), "others go by it too"


async def test_full_buckets_are_forgotten(live_db: TestDatabase, key: str) -> None:
    store = PostgresStore()
    await store.take([demand(key, 1, per_minute=6000), demand(f"{key}-slow", 1, per_minute=1)])
    await asyncio.sleep(0.05)
    await in_database(forget_full)
    with live_db.superuser() as admin:
        assert [row[0] for row in admin.execute("SELECT key FROM gateway_quota")] == [f"{key}-slow"]


@pytest.mark.threat("R8")
async def test_while_redis_is_away_each_process_counts_by_itself(key: str) -> None:
    from tests.servers.redis_server import running

    with running() as server:
        store = redis_store(server.url)
        assert (await store.take([demand(key, 4, per_minute=10)])).amounts == (4,)
        server.stop()
        assert (await store.take([demand(key, 10, per_minute=10)])).amounts == (10,)
        assert (await store.take([demand(key, 1, per_minute=10)])).amounts == (0,)


async def test_a_store_that_came_back_is_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    class Flaky:
        down = True

        async def take(self, demands: object) -> Grant:
            if self.down:
                raise RedisError
            return Grant((7.0,))

    monkeypatch.setattr("gateway.limits.store.PAUSE_AFTER_FAULT", 0.0)
    flaky = Flaky()
    store = Guarded(flaky, (RedisError,))
    assert (await store.take([demand("a")])).amounts == (1,)
    flaky.down = False
    assert (await store.take([demand("a")])).amounts == (7,)
