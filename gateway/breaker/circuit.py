"""One circuit as this process uses it.

Healthy, a call costs one read, and not even that within `FRESH` seconds of the last; nothing is
written. Only while there were faults lately are successes counted too, at most once a second.
"""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass
from functools import partial

from accounts.tenancy import in_database
from gateway.breaker.faults import fault_of
from gateway.breaker.state import HALF_LIFE, Phase, State
from gateway.breaker.stores import Change, Store, shared
from gateway.errors import CircuitOpen, ProviderError

FRESH = 0.5  # seconds for which a state that was read is believed
BETWEEN_COUNTS = 1.0  # seconds between two writes of successes


@dataclass(frozen=True)
class Seen:
    """A state, the store's time when it was read, and ours."""

    state: State
    now: float
    at: float


class Circuit:
    """`key` names what fails as one: a model. Another process's change is seen within `fresh`
    seconds; a probe is given out by the store, so there is one whatever anybody has seen."""

    def __init__(self, key: str, store: Store, *, fresh: float = FRESH) -> None:
        self.key, self._store, self._fresh = key, store, fresh
        self._seen: Seen | None = None
        self._successes = 0  # not written down yet
        self._succeeded_at = self._counted_at = 0.0

    async def admit(self, lease: float) -> str:
        """Lets a call through, with a probe if it is the one that may try, else with "". Raises
        `CircuitOpen`. The probe is free again after `lease` seconds, whatever becomes of the call."""
        state, now = await self._look()
        if state.phase(now) == Phase.HALF_OPEN:
            probe = uuid.uuid4().hex
            state, now = await self._change(lambda found, at: found.claimed(at, probe, lease))
            if state.probe == probe:
                return probe
        if state.phase(now) == Phase.CLOSED:
            return ""
        raise CircuitOpen(f"{self.key} failed too often ({state.code})", retry_after=round(state.waits(now), 3))

    def glance(self) -> float:
        """Seconds for which the model is left alone, as far as this process has seen a moment ago: asks
        no store. 0 when it may be asked, or nothing is known: then `admit` looks."""
        seen, at = self._seen, time.monotonic()
        if seen is None or at - seen.at >= self._fresh:
            return 0.0
        now = seen.now + at - seen.at
        return seen.state.waits(now) if seen.state.phase(now) == Phase.OPEN else 0.0

    async def spoke(self, probe: str) -> None:
        """The model answers the probe."""
        await self._change(lambda found, at: found.recovered(at, probe))

    async def succeeded(self) -> None:
        """A call came to its end."""
        seen = self._seen
        if seen is None or not seen.state.watched(seen.now + time.monotonic() - seen.at):
            return
        self._successes += 1
        self._succeeded_at = time.monotonic()
        if self._succeeded_at - self._counted_at >= BETWEEN_COUNTS:
            count = self._take()
            await self._change(lambda found, at: found.counted(at, count))

    async def failed(self, error: ProviderError, probe: str) -> None:
        """A call failed. If that opened the circuit, it is not tried again."""
        fault = fault_of(error)
        if fault is None:
            if probe and error.status is not None:
                await self.spoke(probe)  # whoever refuses a request is there
            elif probe:
                await self.gave_up(probe)
            return
        count = self._take()
        state, now = await self._change(lambda found, at: found.failed(at, fault, count, probe))
        if state.phase(now) != Phase.CLOSED:
            error.retryable = False

    async def gave_up(self, probe: str) -> None:
        """The probe ended before the model said anything."""
        await self._change(lambda found, at: found.released(at, probe))

    def _take(self) -> int:
        """The successes to write down. Those of an earlier trouble say nothing of this one."""
        count, self._successes, self._counted_at = self._successes, 0, time.monotonic()
        return count if self._counted_at - self._succeeded_at < HALF_LIFE else 0

    async def _look(self) -> tuple[State, float]:
        seen = self._seen
        if seen is not None and time.monotonic() - seen.at < self._fresh:
            return seen.state, seen.now + time.monotonic() - seen.at
        return self._note(*await in_database(self._store.load, self.key))

    async def _change(self, change: Change) -> tuple[State, float]:
        return self._note(*await in_database(partial(self._store.change, self.key, change)))

    def _note(self, state: State, now: float) -> tuple[State, float]:
        self._seen = Seen(state, now, time.monotonic())
        return state, now


_circuits: dict[tuple[str, int], Circuit] = {}


def circuit_of(key: str) -> Circuit:
    """This process's view of the circuit in the store that is configured."""
    store = shared()
    return _circuits.setdefault((key, id(store)), Circuit(key, store))


def forget() -> None:
    """What this process has seen; the store keeps what it has."""
    _circuits.clear()
