"""Rows of cells, from a spreadsheet or CSV, to blocks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from knowledge.converters.draft import MAX_CHARACTERS, DocumentDraft
from knowledge.errors import DocumentTooLarge
from knowledge.types import BlockKind

MAX_CELLS = 1_000_000


def write_rows(rows: Iterable[Sequence[str]], draft: DocumentDraft, *, page: int | None = None) -> None:
    """A line for each row, its cells joined by " | ". Empty rows divide tables; where no row of a
    part has two cells it is lines of text. Raises DocumentTooLarge beyond MAX_CELLS."""
    part: list[list[str]] = []
    seen = characters = 0
    for row in rows:
        characters += sum(map(len, row))
        if characters > 2 * MAX_CHARACTERS:  # one long string that many cells share is stored once
            raise DocumentTooLarge(f"more than {MAX_CHARACTERS:,} characters of text")
        cells = [" ".join(cell.split()) for cell in row]
        while cells and not cells[-1]:
            cells.pop()
        seen += len(cells)
        if seen > MAX_CELLS:
            raise DocumentTooLarge(f"more than {MAX_CELLS:,} cells")
        if cells:
            part.append(cells)
        else:
            _write(part, draft, page)
            part = []
    _write(part, draft, page)


def _write(part: list[list[str]], draft: DocumentDraft, page: int | None) -> None:
    while part:  # columns that are empty throughout begin no line
        if any(row[0] for row in part):
            break
        part = [row[1:] for row in part if row[1:]]
    wide = any(len(row) > 1 for row in part)
    kind = BlockKind.TABLE if wide else BlockKind.PARAGRAPH
    draft.add(kind, "\n".join(" | ".join(row) for row in part), page=page)
