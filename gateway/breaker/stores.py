"""Where circuits are kept: Redis when it is configured, PostgreSQL otherwise, and this process's
memory while either is down. A store knows nothing of the rules: it changes one state at a time,
by a function of `state.py`, and tells the time.

The table has no tenant and no row-level security: whether a model answers is the same for all, and
the rows hold model names, times and error codes, nothing of anybody's text.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import threading
import time
from collections.abc import Callable
from functools import cache
from typing import Protocol, TypeVar

import django.db
from django.db import connection, transaction
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, WatchError
from redis.retry import Retry

from gateway.breaker.state import State
from gateway.conf import configured

T = TypeVar("T")
Change = Callable[[State, float], State]
DOWN = (django.db.Error, RedisError, OSError)
AVOIDED = 5.0  # seconds for which a store that failed is not asked again

LOAD = "SELECT state, extract(epoch FROM clock_timestamp())::float8 FROM gateway_circuit WHERE key = %s"
MAKE = "INSERT INTO gateway_circuit (key, state) VALUES (%s, '{}') ON CONFLICT DO NOTHING"
SAVE = "UPDATE gateway_circuit SET state = %s WHERE key = %s"
EVERY = "SELECT key, state FROM gateway_circuit ORDER BY key"

log = logging.getLogger(__name__)


class Store(Protocol):
    """Blocking: asynchronous code calls it in a database thread."""

    def load(self, key: str) -> tuple[State, float]:
        """The state, and the time by the store's clock."""
        ...

    def change(self, key: str, change: Change) -> tuple[State, float]:
        """Puts `change(state, now)` in the place of the state, and nobody else in between."""
        ...

    def every(self) -> dict[str, State]:
        """All circuits that ever saw a fault, by key."""
        ...


class Memory:
    """This process alone."""

    def __init__(self) -> None:
        self._states: dict[str, State] = {}
        self._lock = threading.Lock()

    def load(self, key: str) -> tuple[State, float]:
        return self._states.get(key, State()), time.monotonic()

    def change(self, key: str, change: Change) -> tuple[State, float]:
        with self._lock:
            state, now = self.load(key)
            self._states[key] = changed = change(state, now)
            return changed, now

    def every(self) -> dict[str, State]:
        return dict(self._states)


class Postgres:
    """A row for each circuit; whoever changes it holds its lock for a few statements."""

    def load(self, key: str) -> tuple[State, float]:
        with connection.cursor() as cursor:
            cursor.execute(LOAD, [key])
            row = cursor.fetchone()
        return (_read(row[0]), row[1]) if row else (State(), 0.0)

    def change(self, key: str, change: Change) -> tuple[State, float]:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(MAKE, [key])
            cursor.execute(f"{LOAD} FOR UPDATE", [key])
            before, now = cursor.fetchone()
            changed = change(_read(before), now)
            cursor.execute(SAVE, [_written(changed), key])
        return changed, now

    def every(self) -> dict[str, State]:
        with connection.cursor() as cursor:
            cursor.execute(EVERY)
            return {key: _read(state) for key, state in cursor.fetchall()}


class InRedis:
    """A key for each circuit, changed by compare-and-set, and gone a day after its last change."""

    PREFIX = "citedesk:circuit:"
    LIFE = 86_400
    TRIES = 50

    def __init__(self, url: str, *, timeout: float = 0.25) -> None:
        # The client's own retries would keep a question waiting for seconds.
        self._redis = Redis.from_url(
            url, socket_timeout=timeout, socket_connect_timeout=timeout, retry=Retry(NoBackoff(), 0)
        )

    def load(self, key: str) -> tuple[State, float]:
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.get(self.PREFIX + key)
            pipe.time()
            found, clock = pipe.execute()
        return _read(found), _seconds(clock)

    def change(self, key: str, change: Change) -> tuple[State, float]:
        for _ in range(self.TRIES):
            with self._redis.pipeline() as pipe:
                pipe.watch(self.PREFIX + key)  # type: ignore[no-untyped-call]
                now = _seconds(pipe.time())
                changed = change(_read(pipe.get(self.PREFIX + key)), now)
                pipe.multi()
                pipe.set(self.PREFIX + key, _written(changed), ex=self.LIFE)
                try:
                    pipe.execute()
                except WatchError:
                    continue
                return changed, now
        raise RedisError(f"the circuit {key} changes too fast to be changed")

    def every(self) -> dict[str, State]:
        keys = sorted(self._redis.scan_iter(match=f"{self.PREFIX}*"))
        found = self._redis.mget(keys) if keys else []
        return {key.decode().removeprefix(self.PREFIX): _read(text) for key, text in zip(keys, found, strict=True)}


class Tolerant:
    """The shared store; while that is down, this process's memory. A circuit must never be the
    reason why no model is asked."""

    def __init__(self, shared: Store) -> None:
        self._shared, self._own = shared, Memory()
        self._avoid_until = 0.0

    def load(self, key: str) -> tuple[State, float]:
        return self._first(lambda store: store.load(key))

    def change(self, key: str, change: Change) -> tuple[State, float]:
        return self._first(lambda store: store.change(key, change))

    def every(self) -> dict[str, State]:
        return self._first(lambda store: store.every())

    def _first(self, ask: Callable[[Store], T]) -> T:
        if time.monotonic() >= self._avoid_until:
            try:
                return ask(self._shared)
            except DOWN as error:
                self._avoid_until = time.monotonic() + AVOIDED
                log.warning("circuits are kept in memory, their store is down: %s", type(error).__name__)
        return ask(self._own)


def shared() -> Store:
    """The store of this installation."""
    return _at(configured().redis_url)


@cache
def _at(redis_url: str) -> Store:
    return Tolerant(InRedis(redis_url) if redis_url else Postgres())


def _read(text: str | bytes | None) -> State:
    return State(**json.loads(text)) if text else State()


def _written(state: State) -> str:
    return json.dumps(dataclasses.asdict(state))


def _seconds(clock: tuple[int, int]) -> float:
    return clock[0] + clock[1] / 1_000_000
