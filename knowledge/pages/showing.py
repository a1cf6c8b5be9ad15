"""A page of a PDF as the templates show it: the picture, the boxes of a quote, and the ways on from it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from django.urls import reverse

from knowledge.errors import KnowledgeError
from knowledge.models import DocumentVersion
from knowledge.pages import drawing
from knowledge.pages.placing import place
from knowledge.types import Block, BlockKind, Box, PageCharacters

ZOOMS = (100, 150, 200)  # per cent of the room there is
LONGEST_ALT = 8000  # characters
MARGIN, ABOVE = 15, 3  # tenths of a point beside the words, and above and below them

_SPACES = re.compile(r"[ \t]+")


@dataclass(frozen=True)
class View:
    """What of a document is looked at. `page` 0 is the quote's own."""

    start: int = 0
    end: int = 0
    page: int = 0
    zoom: int = ZOOMS[0]

    @property
    def quotes(self) -> bool:
        return self.start < self.end


@dataclass(frozen=True)
class Rect:
    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class ShownPage:
    """`rects` are in the unit of `width` and `height`. `quote_page` is where the quote begins, 0 where its
    place is not known."""

    number: int
    pages: int
    width: int
    height: int
    rects: list[Rect]
    quote_page: int
    zoom: int
    text: str
    small: str
    large: str

    @property
    def previous(self) -> int:
        return self.number - 1

    @property
    def following(self) -> int:
        return self.number + 1 if self.number < self.pages else 0

    @property
    def closer(self) -> int:
        return next((each for each in ZOOMS if each > self.zoom), 0)

    @property
    def farther(self) -> int:
        return next((each for each in reversed(ZOOMS) if each < self.zoom), 0)


def show(slug: str, version: DocumentVersion, view: View) -> ShownPage | None:
    """The page at the quote, or the one that is asked for; None where none can be drawn, or where the quote
    cannot be placed and no page was asked for: then its text is the better answer. `version` has an original."""
    known: dict[int, PageCharacters | None] = {}
    original, tenant = version.original_id, version.tenant_id
    assert original is not None

    def characters(number: int) -> PageCharacters | None:
        if number not in known:
            try:
                known[number] = drawing.layout(tenant, original, number)
            except KnowledgeError:
                known[number] = None
        return known[number]

    found = place(version.text, blocks_of(version), view.start, view.end, characters) if view.quotes else {}
    if found is None and not view.page:
        return None
    boxes = found or {}
    number = view.page or min(boxes, default=0) or 1
    page = characters(number)
    if page is None:
        return None
    return ShownPage(
        number=number,
        pages=page.pages,
        width=page.size[0],
        height=page.size[1],
        rects=[_rect(box, page.size) for box in boxes.get(number, [])],
        quote_page=min(boxes, default=0),
        zoom=view.zoom if view.zoom in ZOOMS else ZOOMS[0],
        text=_readable(page.text),
        small=_address(slug, version, number, drawing.WIDTHS[0]),
        large=_address(slug, version, number, drawing.WIDTHS[1]),
    )


def blocks_of(version: DocumentVersion) -> Sequence[Block]:
    return [Block(BlockKind(kind), start, end, level, page) for kind, start, end, level, page in version.blocks]


def _rect(box: Box, size: tuple[int, int]) -> Rect:
    left, top = max(0, box[0] - MARGIN), max(0, box[1] - ABOVE)
    right, bottom = min(size[0], box[2] + MARGIN), min(size[1], box[3] + ABOVE)
    return Rect(left, top, right - left, bottom - top)


def _readable(text: str) -> str:
    lines = (_SPACES.sub(" ", line).strip() for line in text.splitlines())
    return "\n".join(line for line in lines if line)[:LONGEST_ALT]


def _address(slug: str, version: DocumentVersion, number: int, width: int) -> str:
    path = reverse("knowledge:page", args=[slug, version.document_id, number])
    return f"{path}?{urlencode({'version': version.pk, 'width': width})}"
