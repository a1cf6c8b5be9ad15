"""Plain text: paragraphs by blank lines, lists and underlined headings where they are plain."""

from __future__ import annotations

import re

from knowledge.converters.decoding import decode
from knowledge.converters.draft import DocumentDraft
from knowledge.types import BlockKind, ConvertedDocument

_ITEM = re.compile(r"[ \t]*(?:[-*+•‣◦·–]|\d{1,3}[.)]|[a-z][.)])[ \t]+\S")
_UNDERLINE = re.compile(r"[ \t]*(={3,}|-{3,}|~{3,})[ \t]*$")
_BULLET = re.compile(r"^([ \t]*)[*+•‣◦·–][ \t]+", re.M)


def convert_text(data: bytes, *, name: str) -> ConvertedDocument:
    """Lines stay as they were written. Raises EmptyDocument, DocumentTooLarge."""
    draft = DocumentDraft()
    write_text(decode(data), draft)
    return draft.finish(name=name)


def write_text(text: str, draft: DocumentDraft) -> None:
    for lines in _paragraphs(draft.clean(text)):
        _add(draft, lines)


def _paragraphs(text: str) -> list[list[str]]:
    found: list[list[str]] = [[]]
    for line in text.split("\n"):
        if line.strip():
            found[-1].append(line)
        elif found[-1]:
            found.append([])
    return [lines for lines in found if lines]


def _add(draft: DocumentDraft, lines: list[str]) -> None:
    if len(lines) >= 2 and (rule := _UNDERLINE.match(lines[1])) and len(lines[0]) < 120:
        draft.add(BlockKind.HEADING, lines[0], level=1 if rule.group(1)[0] == "=" else 2)
        lines = lines[2:]
    run: list[str] = []
    listed = False
    for line in lines:
        item = bool(_ITEM.match(line))
        if item and not listed and run:
            draft.add(BlockKind.PARAGRAPH, "\n".join(run))
            run = []
        listed = listed or item
        run.append(line)
    if run:
        body = "\n".join(run)
        draft.add(BlockKind.LIST, _BULLET.sub(r"\1- ", body)) if listed else draft.add(BlockKind.PARAGRAPH, body)
