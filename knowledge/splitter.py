"""A converted document cut into passages along its own structure.

A passage is a section, or as much of one as fits. Where a section is too long it is cut between
blocks, else at the ends of lines (items, rows), else of sentences, else between words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from knowledge.types import Block, BlockKind, Chunk, ConvertedDocument

MAX_WORDS = 180  # about 256 tokens, what the bundled embedder reads
SMALL_SECTION = 25  # words below which a section is read together with its neighbour

# Chinese and Japanese have no spaces: two of their characters are counted as a word.
_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002fa1f"
_WORD = re.compile(f"[{_CJK}]{{1,2}}|[^\\s{_CJK}]+")
_LINE = re.compile(r"[^\n]+")
# A full stop before a small letter is an abbreviation more often than an end.
_SENTENCE_END = re.compile(r"[.!?…][\"'”’»)\]]*\s+(?![a-zß-öø-ÿ])|[。！？][」』）]*")


@dataclass(frozen=True)
class _Piece:
    """A span on its way to a chunk; `words` counts what lies between `start` and `end`."""

    start: int
    end: int
    words: int
    path: tuple[str, ...]
    page: int | None
    whole: bool  # it is all of its section


@dataclass(frozen=True)
class _Section:
    path: tuple[str, ...]
    blocks: tuple[Block, ...]  # the headings that open it come first


def split(document: ConvertedDocument, *, max_words: int = MAX_WORDS) -> list[Chunk]:
    """Passages in order, none overlapping, each `document.text[start:end]` without white space at
    either end; together they hold all text but for spaces.

    A passage has at most `max_words` words (1 or more), unless a heading alone has more. Deterministic,
    and linear in the length of the text. `heading_path` leaves out a first-level heading that
    repeats the title; passages made of several small sections carry the path they share.
    """
    if max_words < 1:
        raise ValueError("max_words is at least 1")
    pieces = [piece for section in _sections(document) for piece in _pieces(document.text, section, max_words)]
    return [
        Chunk(document.text[piece.start : piece.end], piece.start, piece.end, piece.path, piece.page)
        for piece in _without_crumbs(pieces, max_words)
    ]


def _sections(document: ConvertedDocument) -> Iterator[_Section]:
    """One for each heading that has text below it; a heading without is the head of the next one."""
    open_headings: list[tuple[int, str]] = []
    blocks: list[Block] = []
    has_body = False
    for block in document.blocks:
        if block.kind is not BlockKind.HEADING:
            blocks.append(block)
            has_body = True
            continue
        # A heading with nothing below goes with what follows only if that is a part of it.
        if blocks and (has_body or block.level <= blocks[-1].level):
            yield _Section(_path(open_headings), tuple(blocks))
            blocks, has_body = [], False
        while open_headings and open_headings[-1][0] >= block.level:
            open_headings.pop()
        text = document.text[block.start : block.end]
        if block.level > 1 or _folded(text) != _folded(document.title):
            open_headings.append((block.level, text))
        blocks.append(block)
    if blocks:
        yield _Section(_path(open_headings), tuple(blocks))


def _path(headings: list[tuple[int, str]]) -> tuple[str, ...]:
    return tuple(text for _, text in headings)


def _folded(text: str) -> str:
    return " ".join(text.split()).casefold()


def _pieces(text: str, section: _Section, max_words: int) -> Iterator[_Piece]:
    """The section in as few and as even pieces as its units allow."""
    units = list(_units(text, section.blocks, max_words))
    total = sum(words for _, _, words, _ in units)
    if total <= max_words:
        yield _Piece(units[0][0], units[-1][1], total, section.path, units[0][3], whole=True)
        return
    even = -(-total // -(-total // max_words))
    headed = sum(1 for block in section.blocks if block.kind is BlockKind.HEADING)
    start, end, words, page = units[0]
    for index, (unit_start, unit_end, unit_words, unit_page) in enumerate(units[1:], start=1):
        # What the heading opens stays with it, even where that passes the even share.
        if words + unit_words > max_words or (words >= even and index > headed):
            yield _Piece(start, end, words, section.path, page, whole=False)
            start, words, page = unit_start, 0, unit_page
        end, words = unit_end, words + unit_words
    yield _Piece(start, end, words, section.path, page, whole=False)


def _units(text: str, blocks: Iterable[Block], max_words: int) -> Iterator[tuple[int, int, int, int | None]]:
    """(start, end, words, page) of the parts that are not cut any further, in order."""
    headings = 0
    for block in blocks:
        words = _count(text, block.start, block.end)
        if block.kind is BlockKind.HEADING:
            headings += words
            yield block.start, block.end, words, block.page
            continue
        # Room for the headings above, so that the first part can stand under them.
        room = max(max_words - headings, max_words // 2, 1)
        headings = 0
        if words <= room:
            yield *_stripped(text, block.start, block.end), words, block.page
            continue
        for start, end in _cut(text, block, room):
            yield start, end, _count(text, start, end), block.page


def _cut(text: str, block: Block, room: int) -> Iterator[tuple[int, int]]:
    for line in _LINE.finditer(text, block.start, block.end):
        if not line.group().strip():
            continue
        if _count(text, line.start(), line.end()) <= room:
            yield _stripped(text, line.start(), line.end())
            continue
        for start, end in _sentences(text, line.start(), line.end()):
            if _count(text, start, end) <= room:
                yield start, end
            else:
                yield from _runs(text, start, end, room)


def _sentences(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    for stop in _SENTENCE_END.finditer(text, start, end):
        if text[start : stop.end()].strip():
            yield _stripped(text, start, stop.end())
        start = stop.end()
    if text[start:end].strip():
        yield _stripped(text, start, end)


def _runs(text: str, start: int, end: int, room: int) -> Iterator[tuple[int, int]]:
    """Runs of at most `room` words."""
    first = last = -1
    held = 0
    for word in _WORD.finditer(text, start, end):
        if held == room:
            yield first, last
            held = 0
        if held == 0:
            first = word.start()
        last = word.end()
        held += 1
    if held:
        yield first, last


def _without_crumbs(pieces: list[_Piece], max_words: int) -> list[_Piece]:
    """Small sections joined to the next sibling (or first part), else to the one before."""
    forward: list[_Piece] = []
    for piece in pieces:
        if forward and _is_crumb(forward[-1]) and _belong(forward[-1], piece, max_words):
            forward[-1] = _joined(forward[-1], piece)
        else:
            forward.append(piece)
    kept: list[_Piece] = []
    for piece in forward:
        if kept and _is_crumb(piece) and _belong(kept[-1], piece, max_words):
            kept[-1] = _joined(kept[-1], piece)
        else:
            kept.append(piece)
    return kept


def _is_crumb(piece: _Piece) -> bool:
    return piece.whole and piece.words < SMALL_SECTION


def _belong(first: _Piece, second: _Piece, max_words: int) -> bool:
    """Whether they are siblings, or the second is a part of the first, and fit together."""
    if first.words + second.words > max_words:
        return False
    if not first.path or not second.path:
        return True
    return first.path[:-1] == second.path[:-1] or second.path[: len(first.path)] == first.path


def _joined(first: _Piece, second: _Piece) -> _Piece:
    shared = 0
    while shared < min(len(first.path), len(second.path)) and first.path[shared] == second.path[shared]:
        shared += 1
    return replace(
        first,
        end=second.end,
        words=first.words + second.words,
        path=first.path[:shared],
        whole=first.whole and second.whole,
    )


def _count(text: str, start: int, end: int) -> int:
    return sum(1 for _ in _WORD.finditer(text, start, end))


def _stripped(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end
