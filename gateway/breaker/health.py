"""What the admin page shows of the models that can be asked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from gateway.breaker.state import Phase, State
from gateway.breaker.stores import shared
from gateway.conf import configured
from gateway.profiles import completion_profiles


@dataclass(frozen=True)
class Shown:
    """`waits` are the seconds until a call may try, `share` the recent faults in per cent."""

    model: str
    phase: Phase
    waits: int
    share: int
    code: str
    trips: int
    opened_at: datetime | None


def circuits() -> list[Shown]:
    """The configured models, and all others of which a fault is known."""
    store = shared()
    known = store.every()
    profiles = completion_profiles()
    routed = [name for name in configured().answer_models if name not in profiles or profiles[name].generates]
    names = dict.fromkeys([*routed, *known])
    return [_shown(name, known.get(name, State()), store.load(name)[1]) for name in names]


def _shown(model: str, state: State, now: float) -> Shown:
    faults = state.counted(now, 0)
    share = round(100 * faults.faults / faults.calls) if state.watched(now) else 0
    opened = datetime.fromtimestamp(state.opened_at, UTC) if state.opened_at else None
    return Shown(model, state.phase(now), round(state.waits(now)), share, state.code, state.trips, opened)
