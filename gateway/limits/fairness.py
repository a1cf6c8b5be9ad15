"""Who is next: people before batch work, and among them whichever tenant had the least."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field

BATCH_SHARE = 10  # every so many turns one is batch work's, so that it is slow and never stands still


@dataclass(eq=False)
class Waiter:
    """A call that waits its turn. `deadline` is in the loop's time."""

    tokens: float
    tenant: int
    batch: bool
    deadline: float
    turn: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class FairQueue:
    """Start-time fair queueing: a tenant that waited for nothing begins where the others are, so a
    thousand calls of one tenant delay the first call of another by a single turn, and having been
    idle earns no credit."""

    def __init__(self) -> None:
        self._lanes: dict[bool, dict[int, deque[Waiter]]] = {False: {}, True: {}}
        self._had: dict[bool, dict[int, float]] = {False: {}, True: {}}
        self._turns = 0

    def __bool__(self) -> bool:
        return any(self._lanes.values())

    def add(self, waiter: Waiter) -> None:
        lane, had = self._lanes[waiter.batch], self._had[waiter.batch]
        if waiter.tenant not in lane:
            lane[waiter.tenant] = deque()
            least = min((had[tenant] for tenant in lane if tenant in had), default=0.0)
            had[waiter.tenant] = max(had.get(waiter.tenant, 0.0), least)
        lane[waiter.tenant].append(waiter)

    def next(self) -> Waiter | None:
        """Whose turn it is; it stays in the queue until `remove`."""
        people, batch = self._lanes[False], self._lanes[True]
        batchs_turn = bool(batch) and (not people or self._turns % BATCH_SHARE == BATCH_SHARE - 1)
        lane, had = (batch, self._had[True]) if batchs_turn else (people, self._had[False])
        if not lane:
            return None
        return lane[min(lane, key=lambda tenant: had[tenant])][0]

    def served(self, waiter: Waiter) -> None:
        """Takes out one that had its turn, and remembers what it took."""
        self._turns += 1
        self._had[waiter.batch][waiter.tenant] += 1.0 + waiter.tokens / 1000
        self.remove(waiter)

    def remove(self, waiter: Waiter) -> None:
        lane, had = self._lanes[waiter.batch], self._had[waiter.batch]
        waiting = lane.get(waiter.tenant)
        if waiting is None or waiter not in waiting:
            return
        waiting.remove(waiter)
        if not waiting:
            del lane[waiter.tenant]
        if not lane:
            had.clear()
