"""What all processes together have used of a limit, kept where all can see it.

A bucket holds a minute's worth and refills evenly (GCRA). All that is kept of it is the time at
which it will be full again, so an idle one needs no row and no refilling. One `take` is one round
trip, on the store's own clock: in Redis when configured, in PostgreSQL otherwise.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from django.db import connection

from accounts.tenancy import in_database

if TYPE_CHECKING:
    from redis.asyncio import Redis

logger = logging.getLogger(__name__)
PAUSE_AFTER_FAULT = 2.0  # seconds in which a store that failed is left alone


@dataclass(frozen=True)
class Demand:
    """What is asked of one bucket: `wanted` units at best and `lowest` to go on. It holds `capacity`
    and gains one each `interval` seconds; `kept` units are left for others. A negative `wanted`
    gives back. The bucket is at least `owed` seconds from full, whatever it says."""

    key: str
    wanted: float
    lowest: float
    interval: float
    capacity: float
    kept: float = 0.0
    owed: float = 0.0


@dataclass(frozen=True)
class Grant:
    """`amounts` in the order of the demands, all or none; then `wait` says in how many seconds the
    lowest of all could be had if nobody else took any."""

    amounts: tuple[float, ...]
    wait: float = 0.0


class Store(Protocol):
    async def take(self, demands: Sequence[Demand]) -> Grant: ...


class MemoryStore:
    """For one process alone. Also what the others fall back to."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._full_at: dict[str, float] = {}
        self._clock = clock

    async def take(self, demands: Sequence[Demand]) -> Grant:
        now, wait, amounts = self._clock(), 0.0, []
        debts = [max(self._full_at.get(each.key, 0.0) - now, each.owed, 0.0) for each in demands]
        for each, debt in zip(demands, debts, strict=True):
            free = each.capacity - debt / each.interval - each.kept
            amounts.append(min(each.wanted, max(free, each.lowest)))
            wait = max(wait, (each.lowest - free) * each.interval if each.lowest > 0 else 0.0)
        if wait > 0:
            amounts = [0.0] * len(demands)
        for each, debt, amount in zip(demands, debts, amounts, strict=True):
            self._full_at[each.key] = now + max(0.0, debt + amount * each.interval)
        return Grant(tuple(amounts), wait)


class PostgresStore:
    """`gateway_take` does the same in the database (see the migration)."""

    async def take(self, demands: Sequence[Demand]) -> Grant:
        return await in_database(_take_in_postgres, demands)


class RedisStore:
    """The same as a script, which Redis runs as one step. What is taken expires when it is full."""

    def __init__(self, client: Redis) -> None:
        self._script = client.register_script(SCRIPT)

    async def take(self, demands: Sequence[Demand]) -> Grant:
        keys = [f"citedesk:quota:{each.key}" for each in demands]
        values = [value for each in demands for value in _numbers(each)]
        wait, *amounts = await self._script(keys=keys, args=values)
        return Grant(tuple(float(each) for each in amounts), float(wait))


class Guarded:
    """Goes on within this process while the shared store is away: limits then hold for each process
    by itself, and calls still work."""

    def __init__(self, inner: Store, faults: tuple[type[Exception], ...]) -> None:
        self._inner, self._faults = inner, faults
        self._alone, self._until = MemoryStore(), 0.0

    async def take(self, demands: Sequence[Demand]) -> Grant:
        if time.monotonic() >= self._until:
            try:
                return await self._inner.take(demands)
            except self._faults as error:
                self._until = time.monotonic() + PAUSE_AFTER_FAULT
                logger.warning("limits are counted within this process: %s", type(error).__name__)
        return await self._alone.take(demands)


def redis_store(url: str) -> Store:
    """For the running event loop, to which its connections belong."""
    from redis.asyncio import Redis
    from redis.exceptions import RedisError

    client: Any = Redis.from_url(url, socket_timeout=1.0, socket_connect_timeout=1.0)
    return Guarded(RedisStore(client), (RedisError, OSError, TimeoutError))


def forget_full() -> None:
    """Removes the rows of buckets that are full again; those in Redis expire by themselves."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM gateway_quota WHERE full_at < extract(epoch FROM clock_timestamp())")


def _numbers(demand: Demand) -> tuple[float, ...]:
    return (demand.wanted, demand.lowest, demand.interval, demand.capacity, demand.kept, demand.owed)


def _take_in_postgres(demands: Sequence[Demand]) -> Grant:
    columns = [list(column) for column in zip(*(_numbers(each) for each in demands), strict=True)]
    with connection.cursor() as cursor:
        cursor.execute(TAKE, [[each.key for each in demands], *columns])
        amounts, wait = cursor.fetchone()
    return Grant(tuple(amounts), wait)


TAKE = f"SELECT * FROM gateway_take(%s, {', '.join(['%s::float8[]'] * 6)})"
SCRIPT = """
local clock = redis.call('TIME')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1000000
local wait, debts, amounts = 0, {}, {}
for i, key in ipairs(KEYS) do
    local at = (i - 1) * 6
    local wanted, lowest, interval = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
    local capacity, kept, owed = tonumber(ARGV[at + 4]), tonumber(ARGV[at + 5]), tonumber(ARGV[at + 6])
    local full_at = tonumber(redis.call('GET', key) or '0')
    debts[i] = math.max(full_at - now, owed, 0)
    local free = capacity - debts[i] / interval - kept
    amounts[i] = math.min(wanted, math.max(free, lowest))
    if lowest > 0 then wait = math.max(wait, (lowest - free) * interval) end
end
local answer = {tostring(wait)}
for i, key in ipairs(KEYS) do
    if wait > 0 then amounts[i] = 0 end
    local debt = math.max(0, debts[i] + amounts[i] * tonumber(ARGV[(i - 1) * 6 + 3]))
    if debt > 0 then
        redis.call('SET', key, string.format('%.6f', now + debt), 'PX', math.ceil(debt * 1000) + 1000)
    else
        redis.call('DEL', key)
    end
    answer[i + 1] = tostring(amounts[i])
end
return answer
"""
