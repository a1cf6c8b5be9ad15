"""The smallest parts that passages are made of: blocks, or parts of blocks that are too long."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from gateway.sentences import sentence_spans
from knowledge.types import Block, BlockKind, ConvertedDocument

LONG_WORD = 2_000  # characters; only beyond it is a word cut

_WORD = re.compile(r"\S+")
_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
_UNSPACED = re.compile(f"[{_CJK}]")
_CHARACTERS_PER_WORD = 20  # a longer run counts as several: an address, a key, a path
_UNSPACED_PER_WORD = 2
_CLAUSE = re.compile(r"[。！？；、，：]+[」』）”’]*")


@dataclass(frozen=True)
class Piece:
    """`text[start:end]`, with the headings directly before it; `body` is where these end. `words`
    counts all of it. `continues` says that the same block goes on from the piece before, `leads_in`
    that it announces what comes next ("as follows:")."""

    start: int
    body: int
    end: int
    words: int
    path: tuple[str, ...]
    page: int | None
    continues: bool = False
    leads_in: bool = False

    @property
    def headings(self) -> bool:
        return self.body > self.start


def count_words(text: str) -> int:
    """Words between white space, in units of what an embedding model can hold: a run of more than
    20 characters counts for several, and two characters of a script without spaces for one."""
    total = 0
    for match in _WORD.finditer(text):
        word = match.group()
        if word.isascii():
            total += 1 + (len(word) - 1) // _CHARACTERS_PER_WORD
            continue
        unspaced = len(_UNSPACED.findall(word))
        total += max(1, unspaced // _UNSPACED_PER_WORD + (len(word) - unspaced) // _CHARACTERS_PER_WORD)
    return total


def word_starts(text: str, start: int, end: int) -> list[int]:
    return [match.start() for match in _WORD.finditer(text, start, end)]


def pieces_of(document: ConvertedDocument, *, max_words: int) -> list[Piece]:
    """All blocks in order, each whole where it fits. Headings go with the piece after them; those
    that nothing follows are pieces of their own."""
    pieces: list[Piece] = []
    path: list[tuple[int, str]] = []
    pending: list[Block] = []
    title = _folded(document.title)
    is_title_seen = False
    for block in document.blocks:
        text = document.text[block.start : block.end]
        if block.kind is not BlockKind.HEADING:
            pieces.extend(_of_block(document.text, block, pending, _names(path), max_words))
            pending = []
            continue
        while path and path[-1][0] >= block.level:
            path.pop()
        if not is_title_seen and not pieces and not pending and _folded(text) == title:
            is_title_seen = True
            path.append((block.level, ""))
            continue
        path.append((block.level, text))
        pending.append(block)
    if pending:
        pieces.extend(_of_headings(document.text, pending, _names(path), max_words))
    if not pieces and document.blocks:  # a title and nothing else
        pieces.extend(_of_headings(document.text, list(document.blocks), (), max_words))
    return pieces


def _names(path: list[tuple[int, str]]) -> tuple[str, ...]:
    return tuple(name for _, name in path if name)


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())


def _of_headings(text: str, headings: list[Block], path: tuple[str, ...], max_words: int) -> Iterator[Piece]:
    for block in headings:
        yield from _of_block(text, block, [], path, max_words)


def _of_block(text: str, block: Block, pending: list[Block], path: tuple[str, ...], max_words: int) -> Iterator[Piece]:
    above = sum(count_words(text[heading.start : heading.end]) for heading in pending)
    if above > max_words // 2:  # headings as long as text are text
        yield from _of_headings(text, pending, path, max_words)
        pending, above = [], 0
    room = max(1, max_words - above)
    spans = [(block.start, block.end)]
    if count_words(text[block.start : block.end]) > room:
        by_line = block.kind in (BlockKind.LIST, BlockKind.TABLE, BlockKind.CODE)
        spans = list(_cut(text, block.start, block.end, room, by_line=by_line))
    for number, (start, end) in enumerate(spans):
        first = number == 0
        yield Piece(
            start=pending[0].start if pending and first else start,
            body=start,
            end=end,
            words=count_words(text[start:end]) + (above if first else 0),
            path=path,
            page=block.page,
            continues=not first,
            leads_in=number == len(spans) - 1 and text[end - 1] in ":：",
        )


def _cut(text: str, start: int, end: int, room: int, *, by_line: bool) -> Iterator[tuple[int, int]]:
    spans = _lines(text, start, end) if by_line else sentence_spans(text, start, end)
    for span_start, span_end in spans:
        if count_words(text[span_start:span_end]) <= room:
            yield span_start, span_end
        elif by_line:
            yield from _cut(text, span_start, span_end, room, by_line=False)
        else:
            yield from _by_words(text, span_start, span_end, room)


def _lines(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    for match in re.compile(r"\S(?:[^\n]*\S)?").finditer(text, start, end):
        yield match.span()


def _by_words(text: str, start: int, end: int, room: int) -> Iterator[tuple[int, int]]:
    """Runs of whole words of at most `room`."""
    first: int | None = None
    last = start
    used = 0
    for unit_start, unit_end in _units(text, start, end):
        words = count_words(text[unit_start:unit_end])
        if first is not None and used + words > room:
            yield first, last
            first, used = None, 0
        first = unit_start if first is None else first
        last = unit_end
        used += words
    if first is not None:
        yield first, last


def _units(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Words; of a script without spaces, its clauses; of a monster, parts of LONG_WORD."""
    for match in _WORD.finditer(text, start, end):
        at = match.start()
        if _UNSPACED.search(match.group()):
            for clause in _CLAUSE.finditer(text, match.start(), match.end()):
                yield from _parts(at, clause.end())
                at = clause.end()
        yield from _parts(at, match.end())


def _parts(start: int, end: int) -> Iterator[tuple[int, int]]:
    for at in range(start, end, LONG_WORD):
        yield at, min(at + LONG_WORD, end)
