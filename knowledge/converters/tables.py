"""A data table of HTML as lines: one a row, cells joined by " | "."""

from __future__ import annotations

from selectolax.lexbor import LexborNode

from knowledge.converters.tree import one_line_of, same, walk

# A cell that spans rows is repeated in each, so that every line reads by itself; within these
# bounds, so that a small table cannot grow into a large text.
MAX_REPEATED_ROWS = 20
MAX_REPEATED_CHARACTERS = 80

_LAYOUT = frozenset(("table", "h1", "h2", "h3", "h4", "h5", "h6", "article", "section"))


def rows_of(table: LexborNode) -> list[str] | None:
    """The lines of `table`, empty rows left out, or None when it is there for layout: it holds
    another table or a heading, or no row has two cells."""
    rows: list[list[LexborNode]] = []
    for node, entering in walk(table):
        tag = node.tag
        if not entering or tag == "-text" or same(node, table):
            continue
        if tag in _LAYOUT:
            return None
        if tag == "tr":
            rows.append([])
        elif tag in ("td", "th") and rows:
            rows[-1].append(node)
    if max((len(row) for row in rows), default=0) < 2:
        return None
    lines = []
    spanning: dict[int, tuple[str, int]] = {}
    for row in rows:
        cells = _with_spans([(one_line_of(cell), _rows_spanned(cell)) for cell in row], spanning)
        while cells and not cells[-1]:
            cells.pop()
        if cells:
            lines.append(" | ".join(cells))
    return lines


def _rows_spanned(cell: LexborNode) -> int:
    said = cell.attributes.get("rowspan") or "1"
    return min(int(said), MAX_REPEATED_ROWS) if said.isdecimal() and len(said) < 6 else 1


def _with_spans(row: list[tuple[str, int]], spanning: dict[int, tuple[str, int]]) -> list[str]:
    """The texts of one row, with those that still span it from above in their columns."""
    cells: list[str] = []
    queue = list(reversed(row))
    while queue or len(cells) in spanning:
        column = len(cells)
        if column in spanning:
            text, left = spanning.pop(column)
            cells.append(text)
            if left > 1:
                spanning[column] = (text, left - 1)
            continue
        text, span = queue.pop()
        cells.append(text)
        if span > 1:
            spanning[column] = (text if len(text) <= MAX_REPEATED_CHARACTERS else "", span - 1)
    return cells
