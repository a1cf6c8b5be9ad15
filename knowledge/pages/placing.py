"""Where on its pages a stretch of a converted text stands.

The converter joins lines, mends divided words, writes bullets and cells its own way and leaves running
lines out; letters and digits it keeps, in the page's order. So letters and digits alone are compared: the
block that holds the stretch is found among those of its page, then the stretch within the block.

Does not find: a stretch without letters and digits, and one whose page changed its letters in conversion
beyond what `_MISSING` allows. Of a text that a page says twice, the one that comes in the order of the
blocks is taken.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from knowledge.types import Block, Box, PageCharacters

Pages = Callable[[int], PageCharacters | None]

_RUNS_ON = 3  # pages that a block may go on over
_STRETCH = 8  # letters that must agree before a piece counts as found
_MISSING = 0.2  # share of a stretch's letters that need not be found
_WHOLE = 0.5  # of the smaller side: as much as two boxes of one line overlap
_EQUAL = 0.2  # of their width: as far as two boxes of one turned line differ
_GAP = 3.0  # heights of type between two words of one line, at most


@dataclass(frozen=True)
class Folded:
    """The letters and digits of a text, and for each where it comes from."""

    text: str
    origins: tuple[int, ...]

    def slice(self, start: int, end: int) -> tuple[int, int]:
        """The part that comes from `start` up to `end`."""
        inside = [index for index, origin in enumerate(self.origins) if start <= origin < end]
        return (inside[0], inside[-1] + 1) if inside else (0, 0)


@lru_cache(maxsize=32)  # a page is asked about once for each block of a long quote
def fold(text: str) -> Folded:
    """Ligatures are taken apart, letters lose their marks and their case."""
    letters: list[str] = []
    origins: list[int] = []
    for index, character in enumerate(text):
        for part in unicodedata.normalize("NFKD", character).casefold():
            if part.isalnum():
                letters.append(part)
                origins.append(index)
    return Folded("".join(letters), tuple(origins))


def place(text: str, blocks: Sequence[Block], start: int, end: int, pages: Pages) -> dict[int, list[Box]] | None:
    """The boxes of `text[start:end]` by page, one for each piece of a line; None where they cannot be said.
    `pages` gives what stands on a page, or None for one that is not there."""
    found: dict[int, list[Box]] = {}
    wanted = placed = 0
    for index, block in enumerate(blocks):
        if block.page is None or block.end <= start or block.start >= end:
            continue
        folded = fold(text[block.start : block.end])
        low, high = folded.slice(start - block.start, end - block.start)
        wanted += high - low
        for number, characters in _characters(text, blocks, index, folded, (low, high), pages):
            page = pages(number)
            assert page is not None
            placed += len(characters)
            found.setdefault(number, []).extend(boxes_of(page, sorted(set(characters))))
    if not wanted or placed < (1 - _MISSING) * wanted:
        return None
    return found


def _characters(
    text: str, blocks: Sequence[Block], index: int, folded: Folded, part: tuple[int, int], pages: Pages
) -> list[tuple[int, list[int]]]:
    """For each page the indices of its characters that are `part` of the block."""
    first = blocks[index].page
    assert first is not None
    position, found = 0, []
    for number in range(first, first + _RUNS_ON):
        page = pages(number) if position < len(folded.text) else None
        if page is None:
            break
        letters = fold(page.text)
        cursor = _cursor(text, blocks, index, letters.text) if number == first else 0
        matches, position = _matches(folded.text, position, letters.text, cursor)
        inside = [letters.origins[there] for here, there in matches if part[0] <= here < part[1]]
        if inside:
            found.append((number, inside))
    return found


def _cursor(text: str, blocks: Sequence[Block], index: int, letters: str) -> int:
    """Where on the page the blocks before this one end."""
    cursor = 0
    for block in blocks[:index]:
        if block.page == blocks[index].page:
            before = fold(text[block.start : block.end]).text
            at = letters.find(before, cursor)
            cursor = at + len(before) if at >= 0 else cursor
    return cursor


def _matches(block: str, position: int, letters: str, cursor: int) -> tuple[list[tuple[int, int]], int]:
    """Pairs of indices that are the same letter, from `position` in the block on, and where in the block the
    page's share of it ends. Whole where it can be, else in the longest pieces, in order."""
    pairs: list[tuple[int, int]] = []
    skipped = 0
    while position < len(block) and skipped <= _STRETCH * 4:
        length, at = _longest(block, position, letters, cursor)
        if length < min(_STRETCH, len(block) - position):
            position, skipped = position + 1, skipped + 1
            continue
        pairs += [(position + step, at + step) for step in range(length)]
        position, cursor, skipped = position + length, at + length, 0
    return pairs, position - skipped


def _longest(block: str, position: int, letters: str, cursor: int) -> tuple[int, int]:
    """How much of the block from `position` on stands on the page after `cursor`, and where."""
    low, best = 0, -1
    high = min(len(block) - position, len(letters) - cursor)
    while low < high:
        middle = (low + high + 1) // 2
        at = letters.find(block[position : position + middle], cursor)
        if at < 0:
            high = middle - 1
        else:
            low, best = middle, at
    return low, best


def boxes_of(page: PageCharacters, indices: Sequence[int]) -> list[Box]:
    """One box for each piece of a line, what stands between two letters of it included."""
    boxes: list[Box] = []
    last = None
    for index in indices:
        between = [] if last is None else range(last + 1, index)
        if last is not None and any(page.text[each].isalnum() for each in between):
            boxes.append(page.boxes[index])  # something that is not of the stretch stands between
        elif boxes and _one_line(boxes[-1], page.boxes[index]):
            boxes[-1] = _union(boxes[-1], page.boxes[index])
        else:
            boxes.append(page.boxes[index])
        last = index
    return boxes


def _one_line(line: Box, character: Box) -> bool:
    """Beside each other; or below each other and equally wide, as letters of a line that is turned are."""
    left, top, right, bottom = line
    x, y, x2, y2 = character
    high, wide = min(bottom - top, y2 - y), min(right - left, x2 - x)
    type_size = max(high, wide, 1)
    if min(bottom, y2) - max(top, y) > _WHOLE * high:
        return max(x - right, left - x2) < _GAP * type_size
    turned = max(abs(x - left), abs(x2 - right)) < _EQUAL * wide
    return turned and max(y - bottom, top - y2) < _GAP * type_size


def _union(one: Box, other: Box) -> Box:
    return min(one[0], other[0]), min(one[1], other[1]), max(one[2], other[2]), max(one[3], other[3])
