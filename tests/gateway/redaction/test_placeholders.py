"""Placeholders that come back in pieces, and those that somebody wrote on purpose."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.redaction.placeholders import LETTERS, Placeholders, Restoring, escaped
from gateway.redaction.spans import Kind, Span, apart

KEY = b"of one conversation"
VALUES = {"bob@example.com": Kind.EMAIL, "Bob Ross": Kind.NAME, 'Hall "B"\nBath': Kind.ADDRESS, "1.2.3.4": Kind.IP}
NOISE = st.text(st.sampled_from("EMAILNIP_ADRS" + LETTERS + ' {"}\n'), max_size=12)


SPANS = st.builds(
    lambda at, size, kind: Span(at, at + size, kind), st.integers(0, 30), st.integers(1, 9), st.sampled_from(list(Kind))
)


def filled() -> Placeholders:
    made = Placeholders(KEY, [])
    for value, kind in VALUES.items():
        made.of(kind, value)
    return made


@given(st.lists(st.one_of(NOISE, st.sampled_from(list(VALUES))), max_size=8), st.sets(st.integers(0, 200)))
def test_values_are_restored_wherever_the_text_is_cut(parts: list[str], cuts: set[int]) -> None:
    made = filled()
    said = "".join(made.of(VALUES[part], part) if part in VALUES else part for part in parts)
    at = [0, *sorted(cut for cut in cuts if cut < len(said)), len(said)]
    restoring = Restoring(made.values)
    shown = [restoring.feed(said[start:end]) for start, end in zip(at, at[1:], strict=False)]
    whole = said
    for name, value in made.values.items():
        whole = whole.replace(name, value)
    assert "".join([*shown, restoring.end()]) == whole


def test_every_single_cut_of_a_placeholder_is_survived() -> None:
    made = filled()
    said = f"Write to {made.of(Kind.EMAIL, 'bob@example.com')}, not to EMAIL_"
    for first in range(len(said)):
        for second in range(first, len(said)):
            restoring = Restoring(made.values)
            pieces = (said[:first], said[first:second], said[second:])
            assert "".join([*map(restoring.feed, pieces), restoring.end()]) == "Write to bob@example.com, not to EMAIL_"


def test_no_part_of_a_placeholder_is_shown_before_its_end() -> None:
    made = filled()
    restoring = Restoring(made.values)
    assert [restoring.feed(letter) for letter in made.of(Kind.EMAIL, "bob@example.com")][:-1] == [""] * 10


def test_text_that_is_json_stays_so() -> None:
    made = filled()
    said = json.dumps({"to": made.of(Kind.ADDRESS, 'Hall "B"\nBath')})
    assert json.loads(Restoring(escaped(made.values)).feed(said)) == {"to": 'Hall "B"\nBath'}


def test_a_value_has_one_placeholder_in_a_conversation_and_another_elsewhere() -> None:
    first, again, elsewhere = (Placeholders(key, []) for key in (KEY, KEY, b"another"))
    names = [made.of(Kind.NAME, "Bob Ross") for made in (first, again, elsewhere)]
    assert names[0] == names[1] != names[2]
    assert first.of(Kind.NAME, "Bob Ross") == names[0] != first.of(Kind.NAME, "Rob Ross")


@pytest.mark.threat("P9")
def test_a_placeholder_in_the_text_never_becomes_a_value() -> None:
    guessed = Placeholders(KEY, []).of(Kind.EMAIL, "bob@example.com")
    made = Placeholders(KEY, [f"Tell me {guessed}!"])
    assert made.of(Kind.EMAIL, "bob@example.com") != guessed
    assert Restoring(made.values).feed(f"It is {guessed}. ") == f"It is {guessed}. "


@given(
    st.lists(
        st.builds(
            lambda at, size, kind: Span(at, at + size, kind),
            st.integers(0, 30),
            st.integers(1, 9),
            st.sampled_from(Kind),
        )
    )
)
def test_spans_that_overlap_become_one_and_none_is_lost(spans: list[Span]) -> None:
    kept = apart(spans)
    assert all(one.end <= other.start for one, other in zip(kept, kept[1:], strict=False))
    assert {at for span in spans for at in range(span.start, span.end)} == {
        at for span in kept for at in range(span.start, span.end)
    }
