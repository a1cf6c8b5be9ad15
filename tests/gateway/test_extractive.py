"""The extractive provider: what it quotes, and what it quotes along."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import connections
from gateway.profiles import completion_profile
from gateway.providers.extractive import ExtractiveProvider
from gateway.providers.units import in_context, steps_around, units_of
from gateway.types import Call, Caller, Finished, Source, TextDelta, Trace

ARTICLE = """Export your photos

Albums can be exported from the web app. They keep their order.

To export an album:
1. Open the album on the web app.
2. Choose Export in the menu at the top.
3. Pick a size for the exported photos.

Plan | Photos in one export
Free | 500
Studio | 20,000

Is that too few for you?
An export is kept for seven days."""


def source(text: str = ARTICLE, marker: int = 1, title: str = "Export your photos") -> Source:
    return Source(marker, text, "document", "version", title, "", 0, len(text))


def texts(units: list) -> list[str]:
    return [unit.text for unit in units]


def test_headings_and_questions_are_no_answers() -> None:
    answers = [unit.text for unit in units_of(source(), 0) if unit.answers]
    assert "Export your photos" not in answers
    assert "Is that too few for you?" not in answers
    assert "An export is kept for seven days." in answers


def test_a_sentence_that_points_back_brings_the_one_before_it() -> None:
    units = units_of(source(), 0)
    (pointing,) = [unit for unit in units if unit.text == "They keep their order."]
    assert texts(in_context([pointing])) == ["Albums can be exported from the web app.", "They keep their order."]


def test_what_a_tables_columns_are_called_is_no_answer_by_itself() -> None:
    answers = [unit.text for unit in units_of(source(), 0) if unit.answers and unit.is_row]
    assert answers == ["Free | 500", "Studio | 20,000"]


def test_a_table_row_brings_its_header() -> None:
    (row,) = [unit for unit in units_of(source(), 0) if unit.text.startswith("Studio")]
    assert texts(in_context([row])) == ["Plan | Photos in one export", "Studio | 20,000"]


def test_a_lead_in_brings_its_table_and_is_not_quoted_without_what_it_announces() -> None:
    text = "The limits differ by plan:\nPlan | Photos\nFree | 500\nStudio | 20,000\n\nThey can be raised on request."
    (lead_in,) = [unit for unit in units_of(source(text), 0) if unit.leads_in]
    whole = ["The limits differ by plan:", "Plan | Photos", "Free | 500", "Studio | 20,000"]
    assert texts(in_context([lead_in])) == whole
    alone = "The limits differ by plan and by year:\n\nThey can be raised on request."
    assert texts(units_of(source(alone), 0)) == ["They can be raised on request."]


def test_steps_come_whole_and_in_order_with_their_lead_in() -> None:
    (step,) = [unit for unit in units_of(source(), 0) if unit.text.startswith("2.")]
    assert [text[:2] for text in texts(steps_around(step))] == ["To", "1.", "2.", "3."]


@given(st.text(max_size=400), st.integers(0, 50))
def test_every_unit_is_a_piece_of_its_source(text: str, pick: int) -> None:
    units = units_of(source(text), 0)
    for unit in units:
        assert unit.text == text[unit.start : unit.end]
    if units:
        chosen = units[pick % len(units)]
        assert chosen in in_context([chosen])
        assert in_context([chosen]) == sorted(in_context([chosen]), key=lambda unit: unit.position)


async def _written(question: str, *sources: Source) -> str:
    provider = ExtractiveProvider(completion_profile("extractive"), connections._embed_unaudited)
    call = Call(caller=Caller(tenant_id=1), messages=(), question=question, sources=sources)
    events = [event async for event in provider.stream(call, Trace())]
    assert isinstance(events[-1], Finished)
    return "".join(event.text for event in events if isinstance(event, TextDelta))


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("How many days do you keep an export?", "An export is kept for seven days. [1]"),
        ("How do I export an album?", "2. Choose Export in the menu at the top. [1]"),
        ("How many photos fit in an export with Studio?", "Studio | 20,000 [1]"),
        ("How many photos in one export with Free?", "Free | 500 [1]"),
    ],
)
async def test_the_sentence_that_answers_is_quoted_with_its_marker(question: str, expected: str) -> None:
    other = source("Our offices are in Lund. Visits are by appointment.", 2, "Visit us")
    assert expected in await _written(question, source(), other)


async def test_neighbours_that_differ_in_a_number_are_both_quoted() -> None:
    old = source("A rebuild takes about 5 hours for each TB of content.", 1, "Replace a drive in the first Hub")
    new = source("A rebuild takes about 2 hours for each TB of content.", 2, "Replace a drive in the second Hub")
    written = await _written("How long does a rebuild take for each TB?", old, new)
    assert "about 5 hours for each TB of content. [1]" in written
    assert "about 2 hours for each TB of content. [2]" in written


async def test_a_step_is_never_quoted_without_those_around_it() -> None:
    written = await _written("Where is the Export choice of an album in the menu?", source())
    assert ("2. Choose Export" in written) == ("1. Open the album" in written)


async def test_what_answers_in_other_words_is_compared_however_many_sentences_share_the_questions() -> None:
    like = " ".join(f"The parcel number {number} of your parcel is on the parcel." for number in range(60))
    crowd = [source(like, marker, "Parcels") for marker in (1, 2)]
    answer = source("We deliver to islands by ferry within nine days. The harbour is old.", 3, "Delivery to islands")
    assert "by ferry within nine days. [3]" in await _written("When does a parcel reach an island?", *crowd, answer)
