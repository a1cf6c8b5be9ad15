"""Numbers of citations as a reader counts them, whatever numbers the model was given."""

from __future__ import annotations

from assistant.events import Citation, Delta
from assistant.pipeline.citations import CitationParser
from assistant.pipeline.compose import Outcome
from assistant.pipeline.grounding import check
from assistant.pipeline.numbering import Numbering, numbered
from gateway.types import Source

LAMPS = "We refund lamps within 30 days. Send the lamp back in its box."
FEES = "Shipping of a lamp costs 4 euros."
BULBS = "Bulbs are never refunded."
SOURCES = [
    Source(1, "Nothing of interest.", "other", "v", "Other", "", 0, 20),
    Source(2, LAMPS, "lamps", "v", "Lamps", "", 0, len(LAMPS)),
    Source(3, BULBS, "bulbs", "v", "Bulbs", "", 0, len(BULBS)),
    Source(4, FEES, "lamps", "v", "Lamps", "", 100, 100 + len(FEES)),
]
WRITTEN = (
    "Bulbs are never refunded. [3] Shipping of a lamp costs 4 euros. [4] "
    "We refund lamps within 30 days. [2][4] Send the lamp back in its box. [2]"
)


def outcome() -> Outcome:
    parser = CitationParser(frozenset({1, 2, 3, 4}))
    pieces = [*parser.feed(WRITTEN), *parser.end()]
    found = Outcome("?", pieces=pieces, sources=SOURCES)
    found.sentences = numbered(check(pieces, SOURCES), SOURCES)
    return found


def test_articles_are_numbered_in_the_order_in_which_the_answer_cites_them() -> None:
    assert outcome().text == (
        "Bulbs are never refunded. [1] Shipping of a lamp costs 4 euros. [2] "
        "We refund lamps within 30 days. [2] Send the lamp back in its box. [2]"
    )


def test_each_number_in_the_text_has_its_citations_and_no_other_has() -> None:
    answer = outcome().as_json()
    cited = {marker for sentence in answer["sentences"] for marker in sentence["citations"]}
    assert cited == {citation["marker"] for citation in answer["citations"]} == {1, 2}
    quotes = [citation["quote"] for citation in answer["citations"] if citation["title"] == "Lamps"]
    assert quotes == [FEES, "We refund lamps within 30 days.", "Send the lamp back in its box."]


def test_a_quote_found_in_two_passages_that_overlap_is_one_citation() -> None:
    again = Source(5, BULBS, "bulbs", "v", "Bulbs", "", 0, len(BULBS))
    parser = CitationParser(frozenset({3, 5}))
    pieces = [*parser.feed("Bulbs are never refunded. [3][5]"), *parser.end()]
    found = Outcome("?", sentences=numbered(check(pieces, [SOURCES[2], again]), [SOURCES[2], again]))
    assert [citation.quote for citation in found.citations] == [BULBS]


def test_a_reader_hears_the_same_numbers_while_the_answer_is_written() -> None:
    numbering = Numbering(SOURCES)
    events = [event for piece in outcome().pieces for event in numbering.events(piece)]
    marks = [(event.marker, event.source) for event in events if isinstance(event, Citation)]
    assert marks == [(1, 3), (2, 4), (2, 2), (2, 2)]
    assert "".join(event.text for event in events if isinstance(event, Delta)).startswith("Bulbs")
