"""The values that pass between the steps of ingestion and retrieval. They carry no storage.

Offsets count Unicode code points into the converted text (Python's `str` index), so that
`text[start:end]` is the passage, in every database and browser that counts the same way.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class BlockKind(StrEnum):
    HEADING = "heading"
    PARAGRAPH = "paragraph"
    LIST = "list"
    TABLE = "table"
    CODE = "code"


@dataclass(frozen=True)
class Block:
    """A structural unit of a converted document: `text[start:end]` of `ConvertedDocument.text`.

    `level` is 1 to 6 for headings and 0 otherwise; `page` counts from 1 and is None where the
    format has no pages.
    """

    kind: BlockKind
    start: int
    end: int
    level: int = 0
    page: int | None = None


@dataclass(frozen=True)
class ConvertedDocument:
    """Plain readable text and where its blocks lie. Blocks are in order, do not overlap, and
    are separated by white space alone. `metadata` is what the file says of itself (front matter,
    meta tags): `title`, `url`, `visibility`, `updated`, `status`, `superseded_by`, each optional."""

    text: str
    blocks: tuple[Block, ...]
    title: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


# Left, top, right, bottom in tenths of a point from the upper left corner of the page as it is shown.
Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class PageCharacters:
    """The visible characters of a page in the order in which the converter read them, each with its box;
    `size` is the page's width and height in the boxes' unit. `pages` is how many the document has."""

    text: str
    boxes: tuple[Box, ...]
    size: tuple[int, int]
    pages: int


@dataclass(frozen=True)
class DrawnPage:
    """A page as a picture, three bytes of colour a pixel, row by row, and what stands on it."""

    width: int
    height: int
    pixels: bytes
    characters: PageCharacters


@dataclass(frozen=True)
class Chunk:
    """A passage before it has a row: `document.text[start:end]`, never split inside a word."""

    text: str
    start: int
    end: int
    heading_path: tuple[str, ...] = ()
    page: int | None = None


@dataclass(frozen=True)
class Hit:
    """A retrieved passage. `scores` has `dense` (cosine, -1 to 1, comparable between queries), `keyword`
    (BM25, from 0), `share` (of the query's best BM25, 0 to 1), `coverage` (of the most BM25 that any
    passage could have, 0 to 1), `document` and `title` (cosines of the whole document and of its title),
    `hybrid` and `ranked` (comparable within one query alone); `score` is the one that it was ordered by.
    `corpus` is the number that the document's passages came with (`knowledge.corpus`)."""

    passage_id: int
    document: str
    version: str
    title: str
    url: str
    visibility: str
    text: str
    start: int
    end: int
    heading_path: tuple[str, ...]
    page: int | None
    score: float
    scores: dict[str, float] = field(default_factory=dict)
    outdated: bool = False  # its article says so
    corpus: int = 0
