"""The rules of a circuit, by a clock of the test's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.breaker.faults import fault_of
from gateway.breaker.state import LONGEST_LEASE, LONGEST_REST, REST, Fault, Phase, State
from gateway.errors import (
    ConnectionFailed,
    ContentRefused,
    ContextTooLong,
    InvalidCredentials,
    InvalidRequest,
    Overloaded,
    ProviderError,
    ProviderTimeout,
    QuotaExhausted,
    RateLimited,
    StreamBroken,
)

pytestmark = pytest.mark.threat("V9")

FAULT = Fault("overloaded")
T = 1_000_000.0


def after(*faults: Fault, successes: int = 0, every: float = 0.1, state: State | None = None) -> State:
    """A circuit that saw these faults, and so many successes with each."""
    found = State() if state is None else state
    for number, fault in enumerate(faults):
        found = found.failed(T + number * every, fault, successes, "")
    return found


def test_a_few_faults_are_nothing() -> None:
    assert after(*[FAULT] * 4).phase(T + 1) == Phase.CLOSED


def test_many_faults_among_few_successes_open_it() -> None:
    assert after(*[FAULT] * 6).phase(T + 1) == Phase.OPEN
    assert after(*[FAULT] * 12, successes=1).phase(T + 2) == Phase.OPEN


def test_as_many_among_many_successes_do_not() -> None:
    assert after(*[FAULT] * 50, successes=2).phase(T + 6) == Phase.CLOSED


def test_faults_of_long_ago_are_forgotten() -> None:
    assert after(*[FAULT] * 50, every=20).phase(T + 1000) == Phase.CLOSED


def test_three_who_waited_for_nothing_are_enough() -> None:
    silence = fault_of(ProviderTimeout(phase="first_token"))
    assert silence is not None
    assert after(*[silence] * 2, every=30).phase(T + 31) == Phase.CLOSED
    assert after(*[silence] * 3, every=30).phase(T + 61) == Phase.OPEN


def test_an_outage_after_a_long_good_time_opens_it_soon() -> None:
    state = after(FAULT)
    for second in range(1, 600):
        state = state.counted(T + second, successes=10)
    now = T + 600
    while state.phase(now) == Phase.CLOSED:
        state = state.failed(now, FAULT, 0, "")
        now += 0.1
    assert now - (T + 600) < 40


def test_it_rests_then_lets_one_try() -> None:
    state = after(*[FAULT] * 5, every=0)
    assert state.phase(T + REST - 0.1) == Phase.OPEN
    assert state.waits(T) == REST
    half_open = T + REST + 0.1
    assert state.phase(half_open) == Phase.HALF_OPEN
    claimed = state.claimed(half_open, "mine", lease=40)
    assert claimed.probe == "mine"
    assert claimed.phase(half_open) == Phase.OPEN, "for everybody else"
    assert claimed.claimed(half_open + 1, "other", lease=40).probe == "mine"


def test_a_probe_whose_holder_died_is_given_out_again() -> None:
    state = after(*[FAULT] * 5, every=0).claimed(T + REST + 1, "dead", lease=40)
    assert state.claimed(T + REST + 42, "next", lease=40).probe == "next"
    assert state.released(T + 60, "somebody else").probe == "dead"
    assert state.released(T + 60, "dead").phase(T + 60) == Phase.HALF_OPEN


def test_a_probe_that_succeeds_closes_it_on_trial() -> None:
    state = after(*[FAULT] * 5, every=0).claimed(T + 20, "mine", lease=40).recovered(T + 21, "mine")
    assert state.phase(T + 21) == Phase.CLOSED
    again = state.failed(T + 22, FAULT, 0, "")
    assert again.phase(T + 22) == Phase.OPEN
    assert again.waits(T + 22) == REST * 2
    assert state.failed(T + 22, FAULT, 20, "").phase(T + 22) == Phase.CLOSED, "it has worked in the meantime"


def test_a_probe_that_fails_doubles_the_rest_up_to_a_limit() -> None:
    state, now, rests = after(*[FAULT] * 5, every=0), T, []
    for number in range(8):
        now += state.waits(now) + 0.1
        state = state.claimed(now, str(number), lease=40).failed(now, FAULT, 0, str(number))
        rests.append(state.waits(now))
    assert rests[:3] == pytest.approx([30, 60, 120])
    assert rests[-1] == pytest.approx(LONGEST_REST)


def test_an_old_probe_decides_nothing() -> None:
    state = after(*[FAULT] * 5, every=0).claimed(T + 20, "old", lease=5).claimed(T + 30, "new", lease=40)
    assert state.recovered(T + 31, "old").phase(T + 31) == Phase.OPEN
    assert state.recovered(T + 31, "").phase(T + 31) == Phase.OPEN


def test_a_late_failure_keeps_it_open_no_longer() -> None:
    state = after(*[FAULT] * 5, every=0)
    assert after(*[FAULT] * 9, state=state).open_until == state.open_until


@pytest.mark.threat("V1")
def test_a_provider_that_asks_for_a_long_wait_is_left_alone_for_it() -> None:
    fault = fault_of(RateLimited(retry_after=42))
    assert fault is not None
    assert after(fault, successes=1000).waits(T) == pytest.approx(42)
    forever = fault_of(Overloaded(retry_after=1e9))
    assert forever is not None
    assert after(forever).waits(T) == LONGEST_REST


@pytest.mark.threat("V2")
def test_what_every_call_would_meet_opens_it_at_once() -> None:
    fault = fault_of(QuotaExhausted(status=429))
    assert fault is not None
    assert after(fault, successes=1000).phase(T) == Phase.OPEN


@pytest.mark.parametrize(
    "error",
    [
        InvalidRequest(status=400),
        ContextTooLong(status=400),
        ContentRefused(status=400),
        InvalidCredentials(status=401, revoked=True),
        InvalidCredentials(status=403),
        InvalidCredentials("OPENAI_API_KEY is not set"),
        ProviderTimeout(phase="total"),
    ],
)
def test_what_a_caller_does_never_shuts_out_the_others(error: ProviderError) -> None:
    assert fault_of(error) is None


@pytest.mark.parametrize(
    "error",
    [ConnectionFailed(), Overloaded(), StreamBroken(), RateLimited(retry_after=1), ProviderTimeout(phase="stall")],
)
def test_what_the_provider_does_counts(error: ProviderError) -> None:
    fault = fault_of(error)
    assert fault is not None
    assert not fault.at_once


@pytest.mark.threat("R11")
def test_a_clock_that_was_set_back_shuts_nobody_out() -> None:
    state = after(*[FAULT] * 5, every=0)
    assert state.phase(T - 86_400) == Phase.HALF_OPEN
    claimed = state.claimed(T - 86_400, "mine", lease=40)
    assert claimed.probe == "mine"
    assert claimed.recovered(T - 86_399, "mine").phase(T - 86_399) == Phase.CLOSED


step = st.one_of(
    st.tuples(st.just("fault"), st.floats(0.1, 5), st.booleans()),
    st.tuples(st.just("success"), st.integers(0, 100), st.none()),
    st.tuples(st.just("claim"), st.floats(0, 2000), st.none()),
    st.tuples(st.just("wait"), st.floats(-100, 1000), st.none()),
    st.tuples(st.sampled_from(["recover", "release", "lose"]), st.none(), st.none()),
)


@given(st.lists(step, max_size=60))
def test_whatever_happens_it_opens_again_by_itself_and_knows_one_probe(steps: list[tuple[str, float, bool]]) -> None:
    state, now, probe, number = State(), T, "", 0
    for kind, value, flag in steps:
        if kind == "fault":
            state = state.failed(now, Fault("x", value, at_once=flag), 0, "")
        elif kind == "success":
            state = state.counted(now, value)
        elif kind == "claim":
            number += 1
            held_until = state.probe_until
            claimed = state.claimed(now, str(number), value)
            if claimed.probe == str(number):
                assert not 0 < held_until - now <= LONGEST_LEASE, "nobody holds it"
                probe = claimed.probe
            state = claimed
        elif kind == "wait":
            now += value
        elif kind == "recover":
            state = state.recovered(now, probe)
        elif kind == "release":
            state = state.released(now, probe)
        elif kind == "lose":
            state = state.failed(now, FAULT, 0, probe)
        assert state.faults <= state.calls + 1e-9
    assert state.phase(now + LONGEST_REST + LONGEST_LEASE + 1) != Phase.OPEN
