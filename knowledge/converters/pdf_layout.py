"""Lines of PDF pages to headings, paragraphs and lists."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace

from knowledge.converters.draft import DocumentDraft
from knowledge.converters.pdf_page import Line
from knowledge.types import BlockKind

_EDGE_LINES = 3
_DIGITS = re.compile(r"\d+")
_PAGE_NUMBER = re.compile(r"^(?:page|seite|p\.)?\s*[-–]?\s*\d{1,4}(?:\s*(?:of|/|von)\s*\d{1,4})?\s*[-–]?$", re.I)
_BULLET = re.compile(r"^[•‣◦▪●○■–·\uf0b7*-]\s+")
_NUMBER = re.compile(r"^(?:\(?\d{1,2}[.)]|[a-z][.)])\s+\S")
_HEADING_NUMBER = re.compile(r"^\d{1,2}(?:\.\d{1,2}){0,4}\.?\s+[A-Z]")
_LETTER = re.compile(r"[^\W\d_]")
_HYPHEN = re.compile(r"[^\W\d_][-\u00ad\u2010]$")


def without_running_lines(pages: list[list[Line]]) -> list[Line]:
    """All lines in order, less those that repeat at the top or bottom of at least half of the pages,
    digits apart, and less bare page numbers there. From each edge inwards, up to the first line
    that does not repeat."""
    edges = [_edges(lines) for lines in pages]
    seen = Counter(text for edge in edges for text in {_signature(line) for side in edge for line in side})
    filled = sum(bool(lines) for lines in pages)
    needed = max(2, (filled + 1) // 2)
    kept: list[Line] = []
    for lines, edge in zip(pages, edges, strict=True):
        running: set[int] = set()
        for side in edge:
            for line in side:
                numbered = filled >= 2 and bool(_PAGE_NUMBER.match(line.text))
                if seen[_signature(line)] < needed and not numbered:
                    break
                running.add(id(line))
        kept.extend(line for line in lines if id(line) not in running)
    return kept


def _signature(line: Line) -> str:
    return _DIGITS.sub("#", line.text)


def _edges(lines: list[Line]) -> tuple[list[Line], list[Line]]:
    """The outermost lines of a page, from the top down and from the bottom up."""
    by_height = sorted(lines, key=lambda line: -line.top)
    count = min(_EDGE_LINES, len(lines) // 3)
    return by_height[:count], by_height[::-1][:count]


def write_lines(lines: list[Line], draft: DocumentDraft) -> None:
    """Group lines into blocks and add those to `draft`."""
    lines = _rejoined(lines)
    if sum(line.mono for line in lines) > 0.5 * len(lines):  # all typewritten, so it says nothing
        lines = [replace(line, mono=False) for line in lines]
    body = _body_size(lines)
    levels = _heading_levels(lines, body)
    rights = _column_rights(lines)
    group: list[Line] = []
    for line in lines:
        if group and _breaks(group, line, body):
            _write_group(group, levels, rights, draft)
            group = []
        group.append(line)
    if group:
        _write_group(group, levels, rights, draft)


def _rejoined(lines: list[Line]) -> list[Line]:
    """Pieces that pdfium took apart though they stand on one line: a bullet and its text, the
    cells of a row."""
    joined: list[Line] = []
    for line in lines:
        last = joined[-1] if joined else None
        if last is None or last.page != line.page or not _same_row(last, line):
            joined.append(line)
            continue
        gap = line.left - last.right
        is_cell = gap > 1.5 * last.size and not _BULLET.match(last.text + " ") and not _NUMBER.match(last.text + " x")
        joined[-1] = Line(
            text=f"{last.text}{' | ' if is_cell else ' '}{line.text}",
            left=last.left,
            right=line.right,
            bottom=min(last.bottom, line.bottom),
            top=max(last.top, line.top),
            size=max(last.size, line.size),
            bold=last.bold and line.bold,
            page=last.page,
            mono=last.mono and line.mono,
        )
    return joined


def _same_row(last: Line, line: Line) -> bool:
    overlap = min(last.top, line.top) - max(last.bottom, line.bottom)
    return line.left >= last.right - 1 and overlap > 0.6 * min(last.height, line.height)


def _body_size(lines: list[Line]) -> float:
    weights: Counter[float] = Counter()
    for line in lines:
        weights[line.size] += len(line.text)
    return max(weights, key=lambda size: (weights[size], -size)) if weights else 0.0


def _heading_levels(lines: list[Line], body: float) -> dict[float, int]:
    """Sizes of type clearly above the body's, largest first, as levels 1 to 5."""
    sizes = sorted({line.size for line in lines if line.size > body * 1.12 and _LETTER.search(line.text)}, reverse=True)
    merged: list[float] = []
    levels: dict[float, int] = {}
    for size in sizes:
        if not merged or merged[-1] - size > 0.06 * merged[-1]:
            merged.append(size)
        levels[size] = min(len(merged), 5)
    return levels


Column = tuple[int, int]
_COLUMN = 40  # points: lines that begin as near to each other share a column


def _column(line: Line) -> Column:
    return line.page, int(line.left // _COLUMN)


def _column_rights(lines: list[Line]) -> dict[Column, float]:
    """How far the lines of each column reach."""
    rights: dict[Column, float] = {}
    for line in lines:
        page, slot = _column(line)
        for near in (slot - 1, slot, slot + 1):
            rights[page, near] = max(rights.get((page, near), 0.0), line.right)
    return rights


def _paragraph(group: list[Line], rights: dict[Column, float]) -> str:
    """Lines joined by spaces, save where the next word had fitted on the line: there the author
    began a new one."""
    pieces: list[list[str]] = [[]]
    for index, line in enumerate(group):
        pieces[-1].append(line.text)
        following = group[index + 1] if index + 1 < len(group) else None
        if following is None or not line.text:
            continue
        word = following.text.split(" ", 1)[0]
        room = rights[_column(line)] - line.right
        needed = (len(word) + 2) * (line.right - line.left) / len(line.text)
        if room > 2 * needed and room > 4 * line.size and not word[:1].islower():
            pieces.append([])
    return "\n".join(_joined(piece) for piece in pieces if piece)


def _is_item(line: Line) -> bool:
    return bool(_BULLET.match(line.text) or _NUMBER.match(line.text))


def _breaks(group: list[Line], line: Line, body: float) -> bool:
    """Does `line` begin a new block after `group`?"""
    last = group[-1]
    if abs(line.size - last.size) > 0.12 * max(line.size, last.size) or line.bold != last.bold:
        larger = max(line.size, last.size) > body * 1.12
        if larger or line.bold != last.bold:
            return True
    if line.mono != last.mono:
        return True
    listed = _is_item(group[0])
    if line.mono and last.mono:
        return line.page != last.page
    if _is_item(line):
        return not listed
    if (" | " in line.text) != (" | " in last.text):
        return True
    if line.page != last.page:  # a sentence that runs on over the page is not cut
        return listed or last.text.endswith((".", "!", "?", ":")) or not line.text[:1].islower()
    gap = last.bottom - line.top
    if gap > 0.75 * last.height:
        return True
    if gap < -3 * last.height:  # up to the head of the next column
        return last.text.endswith((".", "!", "?", ":")) and not line.text[:1].islower()
    if listed and line.left < group[0].left - 2:
        return True
    return _first_line(group, line)


def _first_line(group: list[Line], line: Line) -> bool:
    """An indented line after a full stop and a short line: a paragraph set without space above."""
    last = group[-1]
    width = max(item.right for item in group) - min(item.left for item in group)
    short = len(group) > 1 and max(item.right for item in group) - last.right > 0.15 * width
    indented = len(group) > 1 and line.left > min(item.left for item in group[1:]) + 0.8 * line.size
    return last.text.endswith((".", "!", "?")) and (short or indented)


def _write_group(
    group: list[Line], levels: dict[float, int], rights: dict[Column, float], draft: DocumentDraft
) -> None:
    first = group[0]
    text = _joined([line.text for line in group])
    level = levels.get(first.size, 0)
    if not level and first.bold and len(group) == 1 and _reads_as_heading(text):
        level = 6 if not _HEADING_NUMBER.match(text) else min(5, 1 + text.split()[0].rstrip(".").count(".") + 1)
    items = _BULLET.match(first.text) or (_is_item(first) and len(group) > 1)
    if level and not items and len(group) <= 4 and len(text) <= 200 and _LETTER.search(text) and " | " not in text:
        draft.add(BlockKind.HEADING, text, level=level, page=first.page)
    elif first.mono:
        draft.add(BlockKind.CODE, "\n".join(line.text for line in group), page=first.page)
    elif _is_item(first):
        draft.add(BlockKind.LIST, "\n".join(_items(group)), page=first.page)
    elif " | " in first.text:
        draft.add(BlockKind.TABLE, "\n".join(line.text for line in group), page=first.page)
    else:
        draft.add(BlockKind.PARAGRAPH, _paragraph(group, rights), page=first.page)


def _reads_as_heading(text: str) -> bool:
    return len(text.split()) <= 14 and not text.endswith((".", ",", ";", ":")) and bool(_LETTER.search(text))


def _items(group: list[Line]) -> list[str]:
    items: list[list[str]] = []
    for line in group:
        if _is_item(line) or not items:
            items.append([_BULLET.sub("- ", line.text)])
        else:
            items[-1].append(line.text)
    return [_joined(item) for item in items]


def _joined(texts: list[str]) -> str:
    """Lines to one, with a word that was divided at the line's end mended. "well-" before
    "known" is taken for a division too: no dictionary is asked. A capital or a digit after the
    hyphen keeps it."""
    parts: list[str] = []
    for text in texts:
        if parts and _HYPHEN.search(parts[-1]):
            parts[-1] = parts[-1][:-1] + text if text[:1].islower() else parts[-1] + text
        elif parts:
            parts[-1:] = [parts[-1], " ", text]
        else:
            parts.append(text)
    return "".join(parts)
