"""The way through one limit: requests and tokens a minute of a provider's key, a tenant or a user.

While quota is at hand the way is free and costs nothing: each event loop takes from the shared store
what it used in the last second, and gives out of that. Otherwise calls stand in a fair queue, which
can be left at any time, and no longer than they would wait.

Does not catch: fairness between processes. Those that want the same quota get it by chance, so a
tenant with calls in many processes gets more than one with calls in one.
"""

from __future__ import annotations

import asyncio
import random

from gateway.errors import LimitExceeded
from gateway.limits.fairness import FairQueue, Waiter
from gateway.limits.learnt import Learnt, Window
from gateway.limits.rates import Rates
from gateway.limits.store import Demand, Store

LEASE = 1.0  # seconds in which quota that was taken must be used
LONGEST_LOOK = 1.0  # seconds until the store is asked again: others may have given back
KEPT_FOR_PEOPLE = 0.2  # of a bucket, which batch work leaves, in whatever process it runs
WORRYING = 0.5  # of a provider's own bucket: below that ours is brought into line with it


class Line:
    """Of one key, in one event loop."""

    def __init__(self, key: str, rates: Rates, store: Store) -> None:
        self.key, self._store = key, store
        self._buckets = {
            "requests": Bucket(f"{key}:requests", rates.requests),
            "tokens": Bucket(f"{key}:tokens", rates.tokens),
        }
        self._queue = FairQueue()
        self._pump: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self._blocked_until = 0.0
        self._wait = LEASE

    @property
    def idle(self) -> bool:
        return not self._queue and not any(bucket.learnt for bucket in self._buckets.values())

    async def enter(self, tokens: float, *, tenant: int, batch: bool, patience: float) -> None:
        """Returns when it is this call's turn. Raises `LimitExceeded` once that would take longer
        than `patience` seconds."""
        loop = asyncio.get_running_loop()
        if not self._queue and loop.time() >= self._blocked_until and not self._limited():
            return
        if not self._queue and self._spend(tokens):
            return
        waiter = Waiter(tokens, tenant, batch, loop.time() + patience)
        self._queue.add(waiter)
        self._changed.set()
        if self._pump is None or self._pump.done():
            self._pump = loop.create_task(self._serve())
            self._pump.add_done_callback(self._ended)
        try:
            async with asyncio.timeout(patience):
                await waiter.turn
        except TimeoutError:
            raise self._refusal(self._wait) from None
        finally:
            self._queue.remove(waiter)

    def give_back(self, tokens: float) -> None:
        """What a call was thought to need and did not."""
        bucket = self._buckets["tokens"]
        if bucket.per_minute is not None and tokens > 0:
            bucket.returned += tokens

    def learn(self, learnt: Learnt) -> None:
        """Goes by what the provider says, from now on."""
        for name, window in (("requests", learnt.requests), ("tokens", learnt.tokens)):
            if window is not None:
                self._buckets[name].learn(window)
        self._changed.set()

    def block(self, seconds: float) -> None:
        """Nobody of this process goes before the provider's wait is over."""
        self._blocked_until = max(self._blocked_until, asyncio.get_running_loop().time() + seconds)

    async def _serve(self) -> None:
        """Lets them through one by one, for as long as somebody waits."""
        loop = asyncio.get_running_loop()
        while (waiter := self._queue.next()) is not None:
            if waiter.turn.done():
                self._queue.remove(waiter)
                continue
            wait = self._blocked_until - loop.time()
            if wait <= 0:
                wait = 0.0 if self._spend(waiter.tokens) else await self._renew(waiter)
                if wait <= 0:
                    self._let_through(waiter)
                    continue
            self._wait = wait
            if loop.time() + wait > waiter.deadline:
                self._queue.remove(waiter)
                if not waiter.turn.done():
                    waiter.turn.set_exception(self._refusal(wait))
                continue
            self._changed.clear()
            try:
                async with asyncio.timeout(min(wait, LONGEST_LOOK) * random.uniform(1.0, 1.1)):  # noqa: S311
                    await self._changed.wait()
            except TimeoutError:
                continue

    def _ended(self, pump: asyncio.Task[None]) -> None:
        """A store that broke is the error of all who wait, not a wait for nothing."""
        error = None if pump.cancelled() else pump.exception()
        while error is not None and (waiter := self._queue.next()) is not None:
            self._queue.remove(waiter)
            if not waiter.turn.done():
                waiter.turn.set_exception(error)

    async def _renew(self, waiter: Waiter) -> float:
        """Takes a second's quota from the store, and of it what the waiter needs. Says how long to
        wait where there is none."""
        buckets = [bucket for bucket in self._buckets.values() if bucket.per_minute is not None]
        loop, batch = asyncio.get_running_loop(), waiter.batch
        demands = [bucket.demand(self._need(bucket, waiter.tokens), loop.time(), batch=batch) for bucket in buckets]
        if not demands:
            return 0.0
        grant = await self._store.take(demands)
        now = loop.time()
        for bucket, amount in zip(buckets, grant.amounts, strict=True):
            bucket.renew(amount, taken=grant.wait <= 0, now=now)
        if grant.wait > 0:
            return grant.wait
        self._spend(waiter.tokens)
        return 0.0

    def _let_through(self, waiter: Waiter) -> None:
        """One who has left meanwhile leaves what was taken for him to the next."""
        if waiter.turn.done():
            self._unspend(waiter.tokens)
            self._queue.remove(waiter)
            return
        self._queue.served(waiter)
        waiter.turn.set_result(None)

    def _limited(self) -> bool:
        return any(bucket.per_minute is not None for bucket in self._buckets.values())

    def _need(self, bucket: Bucket, tokens: float) -> float:
        return 1.0 if bucket is self._buckets["requests"] else bucket.fit(tokens)

    def _spend(self, tokens: float) -> bool:
        now = asyncio.get_running_loop().time()
        needs = [(bucket, self._need(bucket, tokens)) for bucket in self._buckets.values()]
        if now < self._blocked_until or not all(bucket.holds(need, now) for bucket, need in needs):
            return False
        for bucket, need in needs:
            bucket.use(need)
        return True

    def _unspend(self, tokens: float) -> None:
        for bucket in self._buckets.values():
            bucket.use(-self._need(bucket, tokens))

    def _refusal(self, wait: float) -> LimitExceeded:
        whose = self.key.partition(":")[0]
        return LimitExceeded(f"the {whose}'s calls or tokens a minute are used up", retry_after=max(wait, 0.1))


class Bucket:
    """One event loop's share of a bucket in the store."""

    def __init__(self, key: str, per_minute: float | None) -> None:
        self.key, self.per_minute = key, per_minute
        self.learnt = False
        self.returned = 0.0
        self._set = per_minute
        self._held = self._used = self._granted = self._owed = self._back = self._until = 0.0

    def fit(self, amount: float) -> float:
        """What is more than the bucket holds, and what batch work may have of it, passes when that
        is full."""
        return min(amount, self._capacity * (1 - KEPT_FOR_PEOPLE))

    def holds(self, need: float, now: float) -> bool:
        return self.per_minute is None or (now < self._until and self._held >= need)

    def use(self, amount: float) -> None:
        self._held -= amount
        self._used += amount

    def demand(self, need: float, now: float, *, batch: bool) -> Demand:
        """As much as was used of the last lease, and twice that where it did not last, so that who
        needs little takes little. What is left of it counts as given back."""
        self._back, self.returned = self.returned, 0.0
        owed, self._owed = self._owed, 0.0
        used = self._granted * 2 if now < self._until else self._used
        wanted, left = max(need, min(used, self._capacity / 8)), self._back + self._held
        kept = min(self._capacity * KEPT_FOR_PEOPLE, self._capacity - need) if batch else 0.0
        return Demand(self.key, wanted - left, need - left, 60 / self._capacity, self._capacity, kept, owed)

    def renew(self, amount: float, *, taken: bool, now: float) -> None:
        if not taken:
            self.returned += self._back
            return
        self._held += self._back + amount
        self._granted, self._used, self._until = self._held, 0.0, now + LEASE

    def learn(self, window: Window) -> None:
        """The tighter of what the provider says and what the operator set."""
        known, self.learnt = self.learnt, True
        self.per_minute = min(window.per_minute, self._set) if self._set else window.per_minute
        if window.left < WORRYING or not known:
            self._owed = max(self._owed, (1 - window.left) * 60)
            self._held = min(self._held, window.left * self._capacity)

    @property
    def _capacity(self) -> float:
        return max(self.per_minute or 0.0, 1.0)
