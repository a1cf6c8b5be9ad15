"""Circuits in a real PostgreSQL and a real Redis, seen by several processes."""

from __future__ import annotations

import asyncio
import dataclasses
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.tenancy import in_database
from gateway.breaker import circuit as circuits
from gateway.breaker import stores
from gateway.breaker.circuit import Circuit
from gateway.breaker.state import Phase, State
from gateway.breaker.stores import Change, InRedis, Memory, Postgres, Store, Tolerant
from gateway.errors import CircuitOpen, Overloaded
from tests.conftest import TestDatabase
from tests.servers.redis_server import RedisServer, running

pytestmark = pytest.mark.threat("V9")
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with running() as server:
        yield server


@pytest.fixture(params=["postgres", "redis"])
def store(request: pytest.FixtureRequest, live_db: TestDatabase) -> Store:
    return Postgres() if request.param == "postgres" else InRedis(request.getfixturevalue("redis").url)


def rested(state: State, now: float) -> State:
    """As if its rest were over."""
    return dataclasses.replace(state, open_until=now - 0.001) if state.open_until else state


async def opened(circuit: Circuit) -> None:
    for _ in range(5):
        await circuit.failed(Overloaded(), "")


async def admitted(circuit: Circuit) -> str | None:
    """The probe, or "" for a free way, or None."""
    try:
        return await circuit.admit(60)
    except CircuitOpen:
        return None


async def test_what_one_process_opens_is_open_for_the_other(store: Store) -> None:
    one, other = Circuit("m", store), Circuit("m", store, fresh=0)
    assert await admitted(other) == ""
    await opened(one)
    with pytest.raises(CircuitOpen, match="overloaded") as caught:
        await other.admit(60)
    assert 10 < (caught.value.retry_after or 0) <= 15
    assert await admitted(Circuit("another", store)) == ""


async def test_one_probe_closes_it_for_all(store: Store) -> None:
    one, other = Circuit("m", store, fresh=0), Circuit("m", store, fresh=0)
    await opened(one)
    await in_database(store.change, "m", rested)
    probe = await admitted(one)
    assert probe
    assert await admitted(other) is None
    await one.spoke(probe)
    assert await admitted(other) == ""


async def test_a_failed_probe_opens_it_for_longer(store: Store) -> None:
    one, other = Circuit("m", store, fresh=0), Circuit("m", store, fresh=0)
    await opened(one)
    await in_database(store.change, "m", rested)
    error = Overloaded()
    await one.failed(error, await one.admit(60))
    assert not error.retryable
    with pytest.raises(CircuitOpen) as caught:
        await other.admit(60)
    assert 20 < (caught.value.retry_after or 0) <= 30


def test_a_change_is_never_lost_in_a_race(store: Store) -> None:
    start = threading.Barrier(8)

    def count() -> None:
        start.wait()
        for _ in range(10):
            store.change("m", lambda state, now: dataclasses.replace(state, trips=state.trips + 1))
        connection.close()

    with ThreadPoolExecutor(8) as threads:
        for each in [threads.submit(count) for _ in range(8)]:
            each.result()
    assert store.load("m")[0].trips == 80
    assert set(store.every()) == {"m"}


def start(database: TestDatabase, redis_url: str, command: str) -> subprocess.Popen[str]:
    command_line = [sys.executable, "-m", "tests.gateway.circuit_process", database.name, redis_url, "m", command]
    return subprocess.Popen(command_line, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


@pytest.mark.parametrize("kind", ["postgres", "redis"])
def test_of_three_processes_that_race_exactly_one_may_try(
    kind: str, live_db: TestDatabase, request: pytest.FixtureRequest
) -> None:
    url = request.getfixturevalue("redis").url if kind == "redis" else ""
    store: Store = InRedis(url) if url else Postgres()
    failing = start(live_db, url, "fail")
    racing = [start(live_db, url, "race") for _ in range(3)]
    assert failing.communicate(timeout=60)[0].strip() == "failed"
    assert store.load("m")[0].phase(store.load("m")[1]) == Phase.OPEN, "this process sees what the other did"
    store.change("m", rested)
    for each in racing:
        assert each.stdout is not None
        assert each.stdout.readline().strip() == "ready"
    results = []
    for each in racing:
        assert each.stdin is not None
        each.stdin.write("\n")
        each.stdin.flush()
    for each in racing:
        results.append(each.communicate(timeout=60)[0].strip())
    assert sorted(results) == ["0 0", "0 0", "1 1"]


class Counting(Postgres):
    """Counts what is asked of it."""

    def __init__(self) -> None:
        self.reads = self.writes = 0

    def load(self, key: str) -> tuple[State, float]:
        self.reads += 1
        return super().load(key)

    def change(self, key: str, change: Change) -> tuple[State, float]:
        self.writes += 1
        return super().change(key, change)


async def test_a_healthy_model_costs_a_read_now_and_then_and_no_write(live_db: TestDatabase) -> None:
    store = Counting()
    circuit = Circuit("m", store, fresh=60)
    for _ in range(50):
        assert await admitted(circuit) == ""
        await circuit.succeeded()
    assert (store.reads, store.writes) == (1, 0)


def test_a_read_is_one_query(live_db: TestDatabase) -> None:
    with CaptureQueriesContext(connection) as queries:
        Postgres().load("m")
    assert len(queries) == 1


async def test_successes_are_counted_only_while_there_is_trouble(live_db: TestDatabase) -> None:
    store = Memory()
    circuit = Circuit("m", store, fresh=0)
    await circuit.admit(60)
    await circuit.succeeded()
    assert store.every() == {}
    await circuit.failed(Overloaded(), "")
    circuit._counted_at -= 10
    await circuit.succeeded()
    assert round(store.every()["m"].calls) == 2
    for _ in range(50):
        await circuit.succeeded()
    circuit._succeeded_at -= 60
    await circuit.failed(Overloaded(), "")
    assert round(store.every()["m"].calls) == 3, "what succeeded long ago says nothing"


@pytest.mark.threat("R8")
async def test_without_redis_each_process_has_its_own_and_shares_again_when_it_is_back(
    live_db: TestDatabase, redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "AVOIDED", 0.2)
    store, elsewhere = Tolerant(InRedis(redis.url)), Tolerant(InRedis(redis.url))
    circuit = Circuit("m", store, fresh=0)
    redis.stop()
    started = time.perf_counter()
    assert await admitted(circuit) == ""
    await opened(circuit)
    assert await admitted(circuit) is None
    assert time.perf_counter() - started < 2, "a dead Redis keeps nobody waiting"
    assert await admitted(Circuit("m", elsewhere, fresh=0)) == ""
    redis.start()
    await asyncio.sleep(0.3)
    assert await admitted(circuit) == "", "the shared one is closed"
    await opened(circuit)
    await asyncio.sleep(0.3)
    assert await admitted(Circuit("m", elsewhere, fresh=0)) is None


@pytest.mark.threat("R8")
async def test_a_table_that_fails_stops_no_call(live_db: TestDatabase) -> None:
    with live_db.superuser() as superuser:
        superuser.execute("ALTER TABLE gateway_circuit RENAME TO gone")
        try:
            circuit = Circuit("m", Tolerant(Postgres()), fresh=0)
            assert await admitted(circuit) == ""
            await opened(circuit)
            assert await admitted(circuit) is None
        finally:
            superuser.execute("ALTER TABLE gone RENAME TO gateway_circuit")


def test_the_settings_choose_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(stores.shared()._shared, Postgres)  # type: ignore[attr-defined]
    conf = dataclasses.replace(settings.GATEWAY, redis_url="redis://127.0.0.1:1/0")
    monkeypatch.setattr(settings, "GATEWAY", conf)
    assert isinstance(stores.shared()._shared, InRedis)  # type: ignore[attr-defined]
    assert circuits.circuit_of("m") is circuits.circuit_of("m")
    circuits.forget()


def test_the_application_may_use_the_table_and_no_tenant_is_in_it(live_db: TestDatabase) -> None:
    Postgres().change("m", lambda state, now: state)
    with connection.cursor() as cursor:
        cursor.execute("SELECT column_name FROM information_schema.columns WHERE table_name = 'gateway_circuit'")
        assert {row[0] for row in cursor.fetchall()} == {"key", "state"}
