"""A converted document to passages: on its structure, each of a size that one embedding can hold.

All pieces of the document are laid out in order and cut into passages so that the sum of costs is
least: a passage costs more the shorter it is, and for each heading that it runs across. So small
sections join their siblings, large ones stand alone, and long ones are cut into even parts.
"""

from __future__ import annotations

from dataclasses import dataclass

from knowledge.pieces import Piece, count_words, pieces_of, word_starts
from knowledge.types import Chunk, ConvertedDocument

MIN_WORDS = 25  # below it a passage says too little to be found or cited
FULL_WORDS = 90  # from here on a passage is long enough to stand alone

_CHUNK = 0.5
_SHORT = 1.0
_TOO_SHORT = 6.0
_INTO_CHILD = 0.6
_TO_SIBLING = 1.0
_UP_A_LEVEL = 0.75
_CUT_IN_BLOCK = 0.3
_CUT_AFTER_LEAD_IN = 0.8


@dataclass(frozen=True)
class _Best:
    cost: float
    start: int


def split(document: ConvertedDocument, *, max_words: int = 180, overlap_words: int = 0) -> list[Chunk]:
    """The passages of `document`, in order. `chunk.text == document.text[chunk.start:chunk.end]`
    always; without overlap they do not touch each other, and together they hold all that is not a
    heading. A heading belongs to the passage that begins its section; the one that repeats the
    document's title to none. `heading_path` names the section that a passage lies in, from the top,
    without the title; of a passage over several sections, the one that holds them all.

    No passage is longer than `max_words` (see `count_words`), its headings included, unless these
    alone are longer. Cut inside a block only where the block is longer: at line ends in lists,
    tables and code, at sentence ends in paragraphs, else between words; inside a word only beyond
    2,000 characters. `overlap_words` of the text before are repeated where a section was cut.
    """
    if max_words < 1 or overlap_words < 0:
        raise ValueError("max_words must be positive and overlap_words not negative")
    pieces = pieces_of(document, max_words=max_words)
    chunks: list[Chunk] = []
    for first, last in _grouped(pieces, max_words):
        start, end = pieces[first].start, pieces[last].end
        if overlap_words and first and not pieces[first].headings:
            start = _earlier(document.text, pieces[first - 1].body, start, overlap_words)
        chunks.append(
            Chunk(
                text=document.text[start:end],
                start=start,
                end=end,
                heading_path=_shared_path(pieces[first : last + 1]),
                page=pieces[first].page,
            )
        )
    return chunks


def _grouped(pieces: list[Piece], max_words: int) -> list[tuple[int, int]]:
    """First and last piece of each passage, at the least cost. Linear: a passage holds at most
    `max_words` pieces, since each has a word."""
    best = [_Best(0.0, 0)]
    for end in range(1, len(pieces) + 1):
        found: _Best | None = None
        words = 0
        crossed = 0.0
        for start in range(end - 1, -1, -1):
            words += pieces[start].words
            if words > max_words and start < end - 1:
                break
            cost = best[start].cost + crossed + _cost_of_size(words, max_words) + _cost_of_cut(pieces, start)
            if found is None or cost < found.cost:
                found = _Best(cost, start)
            if start:
                crossed += _cost_of_crossing(pieces[start - 1], pieces[start])
        best.append(found or _Best(0.0, end - 1))
    groups = []
    end = len(pieces)
    while end:
        start = best[end].start
        groups.append((start, end - 1))
        end = start
    return groups[::-1]


def _cost_of_size(words: int, max_words: int) -> float:
    full = min(FULL_WORDS, max_words // 2)
    few = min(MIN_WORDS, max_words // 4)
    short = max(0.0, 1 - words / full) if full else 0.0
    too_short = _TOO_SHORT * (1 - words / few) + _TOO_SHORT if words < few else 0.0
    return _CHUNK + _SHORT * short * short + too_short


def _cost_of_cut(pieces: list[Piece], start: int) -> float:
    """What it costs to begin a passage here."""
    if start == 0:
        return 0.0
    before, after = pieces[start - 1], pieces[start]
    if after.headings:
        return 0.0
    return _CUT_IN_BLOCK * after.continues + _CUT_AFTER_LEAD_IN * before.leads_in


def _cost_of_crossing(before: Piece, after: Piece) -> float:
    """What it costs to hold both in one passage."""
    if not after.headings:
        return 0.0
    if after.path[: len(before.path)] == before.path and len(after.path) > len(before.path):
        return _INTO_CHILD
    shared = len(_shared_path([before, after]))
    return _TO_SIBLING + _UP_A_LEVEL * max(0, len(before.path) - shared - 1)


def _shared_path(pieces: list[Piece]) -> tuple[str, ...]:
    path = pieces[0].path
    for piece in pieces[1:]:
        length = 0
        while length < min(len(path), len(piece.path)) and path[length] == piece.path[length]:
            length += 1
        path = path[:length]
    return path


def _earlier(text: str, floor: int, start: int, words: int) -> int:
    """Where the last `words` words before `start` begin, not before `floor`."""
    starts = word_starts(text, floor, start)
    kept: list[int] = []
    for position in reversed(starts):
        if count_words(text[position:start]) > words:
            break
        kept.append(position)
    return kept[-1] if kept else start
