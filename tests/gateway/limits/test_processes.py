"""Processes of the operating system that share one limit."""

from __future__ import annotations

import asyncio
import multiprocessing
import time

from gateway.errors import LimitExceeded
from gateway.limits.line import Line
from gateway.limits.rates import Rates
from gateway.limits.store import redis_store
from tests.servers.redis_server import RedisServer

PROCESSES, CALLS, PER_MINUTE = 3, 700, 1200


def went(url: str) -> int:
    return asyncio.run(_went(url))


async def _went(url: str) -> int:
    line = Line("provider:shared", Rates(requests=PER_MINUTE), redis_store(url))

    async def one() -> bool:
        try:
            await line.enter(10, tenant=1, batch=False, patience=3)
        except LimitExceeded:
            return False
        return True

    return sum(await asyncio.gather(*(one() for _ in range(CALLS))))


def test_three_processes_together_go_no_more_often_than_one_may(redis_server: RedisServer) -> None:
    begun = time.monotonic()
    with multiprocessing.get_context("spawn").Pool(PROCESSES) as pool:
        counts = pool.map(went, [redis_server.url] * PROCESSES, chunksize=1)
    allowed = PER_MINUTE + (time.monotonic() - begun) * PER_MINUTE / 60
    assert PER_MINUTE <= sum(counts) <= allowed, counts
