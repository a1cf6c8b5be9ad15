"""One circuit as a value: what is known of a model's health, and how that changes. Pure functions
of the state and the time, so that every store keeps the same rules; the time is the store's.

Calls and faults are counted with weights that halve every `HALF_LIFE` seconds, from the first
fault on. The circuit opens when enough of them are faults. When it has rested, one call may try (it
holds the probe, under a lease, so that a process that dies with it blocks nobody). If the model
speaks, the circuit closes, but on trial: a fault within seconds opens it again, for twice as long.

Does not catch: a model that answers nonsense, and one that only ever fails the calls of one kind.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

HALF_LIFE = 30.0  # seconds
ENOUGH = 4.5  # weight of recent faults, below which nothing opens: five that follow each other closely
RATE = 0.5  # of recent calls
REST, LONGEST_REST = 15.0, 240.0  # seconds; doubled each time that it opens again
FORGIVEN = 900.0  # seconds since it opened, after which it starts with the shortest rest again
LONGEST_LEASE = 900.0
NOTICED = 0.05  # weight of recent calls, below which a fault is as good as forgotten


class Phase(StrEnum):
    """What a call is told."""

    CLOSED = "closed"  # go ahead
    OPEN = "open"  # do not ask this model
    HALF_OPEN = "half-open"  # one call may try


@dataclass(frozen=True)
class Fault:
    """What an error says of the model's health. `at_once` opens the circuit whatever the rate: the
    next call would fail alike. `rest` is for how long, where the provider said so."""

    code: str
    weight: float = 1.0
    at_once: bool = False
    rest: float | None = None


@dataclass(frozen=True)
class State:
    """Times are seconds of the store's clock. `open_until` is 0 while the circuit is closed, `trips`
    counts how often it opened without having been well for long, `code` is the last fault's."""

    faults: float = 0.0
    calls: float = 0.0
    counted_at: float = 0.0
    opened_at: float = 0.0
    open_until: float = 0.0
    trips: int = 0
    probe: str = ""
    probe_until: float = 0.0
    code: str = ""

    def phase(self, now: float) -> Phase:
        """An end that lies further ahead than any can is of a clock that was set back (R11)."""
        if not self.open_until:
            return Phase.CLOSED
        if _ahead(self.open_until, now, LONGEST_REST) or _ahead(self.probe_until, now, LONGEST_LEASE):
            return Phase.OPEN
        return Phase.HALF_OPEN

    def waits(self, now: float) -> float:
        """Seconds until a call may try; of a probe that is out, until it is given out anew."""
        return max(0.0, self.open_until - now, self.probe_until - now)

    def watched(self, now: float) -> bool:
        """Whether there were faults lately, so that successes need to be counted too."""
        return self.calls * _halved(now - self.counted_at) > NOTICED

    def claimed(self, now: float, probe: str, lease: float) -> State:
        """With the probe given to this caller, if it is free."""
        if self.phase(now) != Phase.HALF_OPEN:
            return self
        return replace(self, probe=probe, probe_until=now + min(lease, LONGEST_LEASE))

    def released(self, now: float, probe: str) -> State:
        """After a probe that found out nothing."""
        return replace(self, probe="", probe_until=0.0) if probe and probe == self.probe else self

    def recovered(self, now: float, probe: str) -> State:
        """After a probe to which the model spoke."""
        if not probe or probe != self.probe:
            return self
        return replace(self, open_until=0.0, probe="", probe_until=0.0, faults=ENOUGH, calls=ENOUGH, counted_at=now)

    def counted(self, now: float, successes: float, faults: float = 0.0, code: str = "") -> State:
        kept = _halved(now - self.counted_at)
        return replace(
            self,
            faults=self.faults * kept + faults,
            calls=self.calls * kept + faults + successes,
            counted_at=now,
            code=code or self.code,
        )

    def failed(self, now: float, fault: Fault, successes: float, probe: str) -> State:
        """After a fault, with the successes that were not counted yet. What fails late, of calls
        that began before the circuit opened, keeps it open no longer."""
        state = self.counted(now, successes, fault.weight, fault.code)
        if probe and probe == self.probe:
            return state._opened(now, fault)
        enough = fault.at_once or (state.faults >= ENOUGH and state.faults >= RATE * state.calls)
        return state._opened(now, fault) if enough and self.phase(now) == Phase.CLOSED else state

    def _opened(self, now: float, fault: Fault) -> State:
        trips = self.trips + 1 if 0 <= now - self.opened_at < FORGIVEN else 1
        rest = REST * 2 ** min(trips - 1, 10) if fault.rest is None else fault.rest
        return replace(
            self, opened_at=now, open_until=now + min(rest, LONGEST_REST), trips=trips, probe="", probe_until=0.0
        )


def _ahead(end: float, now: float, longest: float) -> bool:
    return 0 < end - now <= longest


def _halved(seconds: float) -> float:
    return float(0.5 ** (max(0.0, seconds) / HALF_LIFE))
