"""PPTX: slide by slide, each a page with its title as heading."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any

from lxml.etree import LxmlError
from pptx import Presentation
from pptx.enum.shapes import MSO_SHAPE_TYPE
from pptx.exc import PythonPptxError

from knowledge.converters.archive import refuse_declarations
from knowledge.converters.cleaning import HIDDEN_TEXT
from knowledge.converters.draft import DocumentDraft
from knowledge.errors import ConversionFailed, DocumentTooLarge, EmptyDocument, NoTextFound, TooComplex
from knowledge.types import BlockKind, ConvertedDocument

MAX_SLIDES = 2_000
MAX_GROUPS = 20  # within each other
SPEAKER_NOTES = "speaker_notes_left_out"

# What the libraries raise for parts that are not as they should be; RuntimeError is a part with a password.
_DAMAGED: tuple[type[Exception], ...] = (PythonPptxError, LxmlError, zipfile.BadZipFile, zlib.error, EOFError, OSError)
_DAMAGED += (LookupError, ValueError, TypeError, AttributeError, ArithmeticError, AssertionError, RuntimeError)


def convert_pptx(data: bytes, *, name: str) -> ConvertedDocument:
    """Titles, text, lists and tables in reading order. Hidden slides and what lies beside a slide are
    left out with the warning "hidden_text", and the speaker's notes with a warning of their own, for no
    audience was shown them. Raises DocumentBomb, ConversionFailed, EncryptedDocument, NoTextFound,
    EmptyDocument, DocumentTooLarge, TooComplex.

    Does not catch: text that has the colour of its ground, or lies under something else.
    """
    refuse_declarations(data)
    draft = DocumentDraft()
    pictures = False
    try:
        deck = Presentation(io.BytesIO(data))
        slides = list(deck.slides)
        if len(slides) > MAX_SLIDES:
            raise DocumentTooLarge(f"{len(slides):,} slides; the limit is {MAX_SLIDES:,}")
        for number, slide in enumerate(slides, 1):
            shapes = list(_shapes(slide.shapes))
            pictures = pictures or any(_kind(shape) == MSO_SHAPE_TYPE.PICTURE for shape in shapes)
            if slide.element.get("show") in ("0", "false"):
                if any(shape.has_text_frame and shape.text_frame.text.strip() for shape in shapes):
                    draft.warn(HIDDEN_TEXT)
                continue
            _write_slide(slide, shapes, number, (deck.slide_width, deck.slide_height), draft)
        title = str(deck.core_properties.title or "")
    except _DAMAGED as error:
        raise ConversionFailed("the presentation cannot be read") from error
    if not draft:
        raise NoTextFound("slides without text") if pictures else EmptyDocument("the slides hold no text")
    return draft.finish(name=name, title="" if title.lower().startswith("powerpoint") else title)


def _shapes(shapes: Any, depth: int = 0) -> Iterator[Any]:
    if depth > MAX_GROUPS:
        raise TooComplex(f"groups nested deeper than {MAX_GROUPS}")
    for shape in shapes:
        if _kind(shape) == MSO_SHAPE_TYPE.GROUP:
            yield from _shapes(shape.shapes, depth + 1)
        else:
            yield shape


def _kind(shape: Any) -> Any:
    try:
        return shape.shape_type
    except NotImplementedError:  # a form that python-pptx has no name for; it may have text all the same
        return None


def _write_slide(slide: Any, shapes: list[Any], number: int, size: tuple[Any, Any], draft: DocumentDraft) -> None:
    title = slide.shapes.title
    if title is not None and title.has_text_frame:
        draft.add(BlockKind.HEADING, title.text_frame.text, level=1 if number == 1 else 2, page=number)
    for shape in sorted(shapes, key=_place):
        if title is not None and shape.shape_id == title.shape_id:
            continue
        if _outside(shape, size):
            if shape.has_text_frame and shape.text_frame.text.strip():
                draft.warn(HIDDEN_TEXT)
        elif getattr(shape, "has_table", False):
            rows = ([" ".join(cell.text.split()) for cell in row.cells] for row in shape.table.rows)
            draft.add(BlockKind.TABLE, "\n".join(" | ".join(row) for row in rows if any(row)), page=number)
        elif shape.has_text_frame:
            _write_text(shape, number, draft)
    notes = slide.notes_slide.notes_text_frame if slide.has_notes_slide else None
    if notes is not None and notes.text.strip():
        draft.warn(SPEAKER_NOTES)


def _place(shape: Any) -> tuple[int, int]:
    """Rows of the slide from above, each from the left; a placeholder without a place follows its layout."""
    quarter_inch = 228_600
    return (shape.top or 0) // quarter_inch, shape.left or 0


def _outside(shape: Any, size: tuple[Any, Any]) -> bool:
    left, top, width, height = shape.left, shape.top, shape.width, shape.height
    if None in (left, top, width, height, *size):
        return False
    return bool(left >= size[0] or top >= size[1] or left + width <= 0 or top + height <= 0)


def _write_text(shape: Any, number: int, draft: DocumentDraft) -> None:
    """A placeholder of several paragraphs is a list: that is what its layout makes of it."""
    paragraphs = [(each.level, each.text.replace("\v", "\n").strip()) for each in shape.text_frame.paragraphs]
    paragraphs = [(level, text) for level, text in paragraphs if text]
    if shape.is_placeholder and len(paragraphs) > 1:
        lines = []
        for level, text in paragraphs:
            first, *rest = text.split("\n")
            lines.append("  " * level + f"- {first}")
            lines.extend("  " * (level + 1) + line for line in rest)
        draft.add(BlockKind.LIST, "\n".join(lines), page=number)
    else:
        draft.add(BlockKind.PARAGRAPH, "\n".join(text for _, text in paragraphs), page=number)
