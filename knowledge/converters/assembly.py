"""Where every converter puts its blocks: cleans them, joins them and keeps the offsets true."""

from __future__ import annotations

import re
import unicodedata
from pathlib import PurePosixPath

from knowledge.errors import DocumentTooLarge, EmptyDocument, TooComplex
from knowledge.types import Block, BlockKind, ConvertedDocument

MAX_CHARACTERS = 5_000_000  # of converted text, about 2,500 pages
MAX_BLOCKS = 200_000
MAX_TITLE = 300  # characters

# Soft hyphen, grapheme joiner, Hangul and Mongolian fillers, zero-width and bidi controls, word
# joiners, variation selectors, the byte order mark, annotation marks and the Unicode tags: none
# of them is seen by a reader and all of them reach a model (threat P3).
INVISIBLE = re.compile(
    "[\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff]"
)
# Those of them that ordinary writing contains: hyphenation, emoji, and joiners of Persian or Hindi.
_ORDINARY = re.compile("[\u200b-\u200d\u2060\ufe0e\ufe0f\ufeff]")
_CONTROL = re.compile("[\x00-\x08\x0e-\x1f\x7f\x80-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")
_LINE_BREAKS = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
_SPACES = re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")
_BLANKS = re.compile(r"[ \t]+")
_EMPTY_LINES = re.compile(r"\n[ \t]*(?:\n[ \t]*)+")


def clean(text: str) -> tuple[str, bool]:
    """The text without what a reader cannot see, and whether anything suspicious was taken out.

    NUL, other controls, lone surrogates, zero-width, bidi and tag characters go; every line break
    becomes `\\n` and every kind of space a plain one. A lone zero-width space or joiner (soft
    hyphens likewise) is ordinary typesetting and is removed without a word; more than a few are not.
    """
    text = _SPACES.sub(" ", _LINE_BREAKS.sub("\n", text)).replace("\u00ad", "")
    if text.isascii():
        return _CONTROL.sub("", text), False
    found = INVISIBLE.findall(text)
    if found:
        ordinary = sum(1 for character in found if _ORDINARY.match(character))
        text = INVISIBLE.sub("", text)
        return _CONTROL.sub("", text), ordinary < len(found) or ordinary > 8 + len(text) // 20
    return _CONTROL.sub("", text), False


def one_line(text: str) -> str:
    """All white space runs as single spaces, so that a title or a cell is one line."""
    return " ".join(text.split())


def humanised(name: str) -> str:
    """`guides/reset_your-password.md` as `Reset your password`."""
    stem = PurePosixPath(name.replace("\\", "/")).name
    stem = stem.rsplit(".", 1)[0] if "." in stem[1:] else stem
    words = one_line(clean(re.sub(r"[-_+]+", " ", stem))[0])
    return words[:1].upper() + words[1:MAX_TITLE]


class Assembler:
    """Collects blocks in reading order; `finish` gives the document.

    Raises `DocumentTooLarge` above MAX_CHARACTERS and `TooComplex` above MAX_BLOCKS as soon as the
    limit is passed, `EmptyDocument` when nothing readable was added.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._parts: list[str] = []
        self._blocks: list[Block] = []
        self._length = 0
        self._first_heading = ""
        self._warnings: list[str] = []

    def warn(self, code: str) -> None:
        if code not in self._warnings:
            self._warnings.append(code)

    def cleaned(self, text: str) -> str:
        text, suspicious = clean(text)
        if suspicious:
            self.warn("invisible_text")
        return text

    def add(self, kind: BlockKind, text: str, *, level: int = 0, page: int | None = None) -> None:
        """Adds a block; white space around it, blanks in a row and empty lines (code excepted) go."""
        text = self.cleaned(text)
        if kind is BlockKind.HEADING:
            text = one_line(text)
        elif kind is BlockKind.CODE:
            text = "\n".join(line.rstrip() for line in text.expandtabs(4).split("\n")).strip("\n").rstrip()
        else:
            lines = (
                line if kind is BlockKind.LIST else line.strip() for line in _EMPTY_LINES.sub("\n", text).split("\n")
            )
            text = "\n".join(_tidy(line) for line in lines).strip()
        if not text.strip():
            return
        if self._parts:
            self._parts.append("\n\n")
            self._length += 2
        start = self._length
        self._parts.append(text)
        self._length += len(text)
        self._blocks.append(Block(kind, start, self._length, level if kind is BlockKind.HEADING else 0, page))
        if kind is BlockKind.HEADING and not self._first_heading:
            self._first_heading = text
        if self._length > MAX_CHARACTERS:
            raise DocumentTooLarge(f"more than {MAX_CHARACTERS} characters of text")
        if len(self._blocks) > MAX_BLOCKS:
            raise TooComplex(f"more than {MAX_BLOCKS} blocks")

    def finish(self, *, title: str = "", metadata: dict[str, str] | None = None) -> ConvertedDocument:
        """The title is the one given, else the first heading, else the file's name made readable."""
        if not self._blocks:
            raise EmptyDocument
        given = {key: one_line(self.cleaned(value)) for key, value in (metadata or {}).items()}
        title = given.get("title") or one_line(self.cleaned(title)) or self._first_heading or humanised(self._name)
        return ConvertedDocument(
            text="".join(self._parts),
            blocks=tuple(self._blocks),
            title=title[:MAX_TITLE].strip(),
            metadata={key: value for key, value in given.items() if value},
            warnings=tuple(self._warnings),
        )


def _tidy(line: str) -> str:
    body = line.lstrip(" \t")
    indent = line[: len(line) - len(body)].expandtabs(4)
    return indent + _BLANKS.sub(" ", body).rstrip()


def same_words(left: str, right: str) -> bool:
    """Whether two titles say the same, whatever their case, spacing and Unicode form."""
    return _folded(left) == _folded(right)


def _folded(text: str) -> str:
    return one_line(unicodedata.normalize("NFKC", text)).casefold().rstrip(".:")
