"""Each sentence is held against the passage it cites."""

from __future__ import annotations

from assistant.pipeline.citations import CitationParser
from assistant.pipeline.grounding import Sentence, check
from gateway.types import Source

TEXT = "Refunds\nWe refund lamps within 30 days. Send the lamp back in its box. Shipping costs 4 euros."
SOURCE = Source(1, TEXT, "d", "v", "Refunds", "", 100, 100 + len(TEXT))


def checked(answer: str) -> list[Sentence]:
    parser = CitationParser(frozenset({1}))
    return check(parser.feed(answer) + parser.end(), [SOURCE])


def test_a_quoted_sentence_is_supported_and_located_to_the_character() -> None:
    (sentence,) = checked("We refund lamps within 30 days. [1]")
    (quote,) = sentence.quotes
    assert (sentence.supported, sentence.score) == (True, 1.0)
    assert TEXT[quote.start - 100 : quote.end - 100] == quote.quote == "We refund lamps within 30 days."


def test_a_paraphrase_is_supported_by_the_sentence_it_comes_from() -> None:
    (sentence,) = checked("You send back the lamp in its box [1].")
    assert sentence.supported
    assert sentence.quotes[0].quote == "Send the lamp back in its box."


def test_a_number_that_the_source_does_not_have_is_doubted() -> None:
    (sentence,) = checked("We refund lamps within 60 days [1].")
    assert (sentence.supported, sentence.reason) == (False, "number_not_in_source")


def test_a_sentence_without_a_citation_is_doubted() -> None:
    assert [s.reason for s in checked("We refund lamps within 30 days [1]. The moon is cheese.")] == ["", "no_citation"]


def test_a_sentence_whose_marker_was_forgotten_is_given_it_when_its_source_is_clear() -> None:
    (sentence,) = checked("You must send the lamp back in its box.")
    assert (sentence.markers, sentence.supported) == ((1,), True)
    assert sentence.quotes[0].quote == "Send the lamp back in its box."


def test_a_forgotten_marker_is_not_given_to_a_wrong_number() -> None:
    (sentence,) = checked("We refund lamps within 60 days.")
    assert (sentence.markers, sentence.reason) == ((), "no_citation")


def test_an_invention_under_a_citation_is_doubted() -> None:
    (sentence,) = checked("Customers in Spain receive gold membership immediately [1].")
    assert (sentence.supported, sentence.reason) == (False, "weak_support")


TABLE = "Plan | Lamps in one room\nFree | 2\nStudio | 40"


def checked_table(answer: str) -> list[Sentence]:
    source = Source(1, TABLE, "d", "v", "Plans", "", 0, len(TABLE))
    parser = CitationParser(frozenset({1}))
    return check(parser.feed(answer) + parser.end(), [source])


def test_what_a_tables_columns_are_called_is_neither_cited_nor_doubted() -> None:
    head, row = checked_table("Plan | Lamps in one room\nStudio | 40 [1]")
    assert (head.markers, head.quotes, head.supported) == ((), (), True)
    assert [quote.quote for quote in row.quotes] == ["Studio | 40"]


def test_columns_that_no_source_names_are_doubted() -> None:
    head, _row = checked_table("Customer | Moonlight bonus payments\nStudio | 40 [1]")
    assert (head.supported, head.reason) == (False, "no_citation")


def test_a_row_without_a_citation_below_the_first_is_doubted() -> None:
    _head, _row, invented = checked_table("Plan | Lamps in one room\nStudio | 40 [1]\nGiant | 900")
    assert (invented.supported, invented.reason) == (False, "no_citation")
