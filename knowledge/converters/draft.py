"""Puts a converted document together block by block, so that offsets are true by construction."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePath
from textwrap import dedent

from knowledge.converters.cleaning import INVISIBLE_TEXT, clean_characters
from knowledge.errors import DocumentTooLarge, EmptyDocument
from knowledge.types import Block, BlockKind, ConvertedDocument

MAX_CHARACTERS = 5_000_000
MAX_LINE = 500  # of a title and the like

_RUNS = re.compile(r"[ \t]+")
_BLANKS = re.compile(r"[ \t]*\n[ \t\n]*")


class DocumentDraft:
    """Collects blocks in reading order. Texts come as the format gave them; they are cleaned here,
    and empty ones are dropped. Raises DocumentTooLarge beyond MAX_CHARACTERS."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._blocks: list[Block] = []
        self._length = 0
        self._warnings: list[str] = []

    def __bool__(self) -> bool:
        return bool(self._blocks)

    def warn(self, code: str) -> None:
        if code not in self._warnings:
            self._warnings.append(code)

    def clean(self, text: str) -> str:
        cleaned, invisible = clean_characters(text)
        if invisible:
            self.warn(INVISIBLE_TEXT)
        return cleaned

    def add(self, kind: BlockKind, text: str, *, level: int = 0, page: int | None = None) -> None:
        text = self.clean(text)
        text = _tidy_code(text) if kind is BlockKind.CODE else _tidy(text, kind)
        if not text:
            return
        if self._length + len(text) > MAX_CHARACTERS:
            raise DocumentTooLarge(f"more than {MAX_CHARACTERS:,} characters of text")
        start = self._length
        self._blocks.append(Block(kind, start, start + len(text), level, page))
        self._parts.append(text)
        self._length += len(text) + 2

    def append(self, document: ConvertedDocument) -> None:
        """The blocks of another document, their headings two levels lower; pages are its own, so none."""
        for block in document.blocks:
            level = min(block.level + 2, 6) if block.level else 0
            self.add(block.kind, document.text[block.start : block.end], level=level)
        for warning in document.warnings:
            self.warn(warning)

    def finish(self, *, name: str, title: str = "", metadata: Mapping[str, str] | None = None) -> ConvertedDocument:
        """The document. Its title is `title`, else its first heading, else the file's name. Raises
        EmptyDocument when no block holds any text."""
        if not self._blocks:
            raise EmptyDocument("no text in the document")
        text = "\n\n".join(self._parts)
        title = self.one_line(title) or self._first_heading(text) or humanise(name)[:MAX_LINE]
        said = {key: self.one_line(value) for key, value in (metadata or {}).items()}
        said["title"] = title
        return ConvertedDocument(
            text=text,
            blocks=tuple(self._blocks),
            title=title,
            metadata={key: value for key, value in said.items() if value},
            warnings=tuple(self._warnings),
        )

    def one_line(self, text: str) -> str:
        return " ".join(self.clean(text).split())[:MAX_LINE]

    def _first_heading(self, text: str) -> str:
        headings = [block for block in self._blocks if block.kind is BlockKind.HEADING]
        if not headings:
            return ""
        first = min(headings[:3], key=lambda block: block.level)
        return text[first.start : first.end][:MAX_LINE]


def humanise(name: str) -> str:
    """`reset-your_password.md` as `Reset your password`: the title of last resort."""
    stem = PurePath(clean_characters(name)[0].replace("\\", "/")).stem
    words = re.sub(r"[\s_\-]+", " ", stem).strip()
    return words[:1].upper() + words[1:]


def _tidy(text: str, kind: BlockKind) -> str:
    if kind is BlockKind.HEADING:
        return " ".join(text.split())
    if kind is BlockKind.LIST:  # the indent of a nested item is its meaning
        lines = (line.rstrip() for line in text.split("\n"))
        kept = [line[: len(line) - len(line.lstrip())] + _RUNS.sub(" ", line.lstrip()) for line in lines if line]
        return "\n".join(kept).strip()
    return _BLANKS.sub("\n", _RUNS.sub(" ", text)).strip()


def _tidy_code(text: str) -> str:
    lines = [line.rstrip() for line in text.expandtabs(4).split("\n")]
    return dedent("\n".join(lines)).strip()
