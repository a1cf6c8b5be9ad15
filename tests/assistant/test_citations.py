"""Markers in streamed text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.pipeline.citations import CitationParser, Mark, Piece, Text

ANSWER = "Open Orders [1]. Choose Edit [2, 3] or [Source 1] call us [9]. Array[0] and [note] stay [1"


def parse(chunks: list[str]) -> list[Piece]:
    parser = CitationParser(frozenset({1, 2, 3}))
    pieces = [piece for chunk in chunks for piece in parser.feed(chunk)]
    return pieces + parser.end()


def joined(pieces: list[Piece]) -> list[str | int]:
    found: list[str | int] = []
    for piece in pieces:
        if isinstance(piece, Text) and found and isinstance(found[-1], str):
            found[-1] += piece.text
        else:
            found.append(piece.text if isinstance(piece, Text) else piece.marker)
    return found


@given(st.lists(st.integers(0, len(ANSWER)), max_size=12))
def test_the_result_does_not_depend_on_where_the_stream_is_cut(cuts: list[int]) -> None:
    points = [0, *sorted(cuts), len(ANSWER)]
    chunks = [ANSWER[a:b] for a, b in zip(points, points[1:], strict=False)]
    assert joined(parse(chunks)) == joined(parse([ANSWER]))


@given(st.text(alphabet="[]【】0123456789, sourceab.", max_size=60), st.integers(1, 5))
def test_a_marker_is_never_half_written_and_text_is_never_lost(text: str, size: int) -> None:
    parser = CitationParser(frozenset({1, 2}))
    pieces = [p for i in range(0, len(text), size) for p in parser.feed(text[i : i + size])] + parser.end()
    assert joined(pieces) == joined(parse_with({1, 2}, text))
    assert all(piece.marker in {1, 2} for piece in pieces if isinstance(piece, Mark))


def parse_with(known: set[int], text: str) -> list[Piece]:
    parser = CitationParser(frozenset(known))
    return parser.feed(text) + parser.end()


@pytest.mark.threat("P8")
def test_an_id_that_was_not_retrieved_never_reaches_the_reader() -> None:
    parser = CitationParser(frozenset({1}))
    pieces = parser.feed("It costs 5 euros [7]. Really [1].") + parser.end()
    assert joined(pieces) == ["It costs 5 euros . Really ", 1, "."]
    assert parser.dropped == [7]
