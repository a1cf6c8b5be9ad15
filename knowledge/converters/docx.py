"""DOCX: headings, paragraphs, lists and tables in the order of the document.

Read from the XML itself by local names, so that Transitional and Strict files read alike, with
DTDs refused (F3) and sizes checked before anything is unpacked (F1).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from knowledge.converters.archive import opened, read_part
from knowledge.converters.docx_styles import Styles, attribute, local_name
from knowledge.converters.docx_text import ParagraphReader
from knowledge.converters.draft import DocumentDraft
from knowledge.errors import ConversionFailed, TooComplex
from knowledge.types import BlockKind, ConvertedDocument

MAX_DEPTH = 500

_OBVIOUS = re.compile(r"^(?:microsoft word\b.*|document\s?\d*|untitled.*|word document|title|.*\.docx?)$", re.I)
_TRANSPARENT = frozenset(
    ("sdt", "sdtContent", "customXml", "smartTag", "ins", "moveTo", "body", "Choice", "AlternateContent")
)


def convert_docx(data: bytes, *, name: str) -> ConvertedDocument:
    """Raises DocumentBomb, ConversionFailed, EncryptedDocument, TooComplex, EmptyDocument."""
    parts = _read_parts(data)
    document = parts.get("word/document.xml")
    if document is None:
        raise ConversionFailed("the archive holds no word/document.xml")
    root = _parse(document)
    body = next((child for child in root if local_name(child) == "body"), None)
    if body is None:
        raise ConversionFailed("the document has no body")
    styles = Styles(_optional(parts, "word/styles.xml"), _optional(parts, "word/numbering.xml"))
    draft = DocumentDraft()
    writer = _Writer(draft, styles)
    for element in _block_elements(body):
        writer.write(element)
    writer.end_list()
    notes = [_optional(parts, "word/footnotes.xml"), _optional(parts, "word/endnotes.xml")]
    _add_notes([part for part in notes if part is not None], writer)
    metadata = _core_properties(_optional(parts, "docProps/core.xml"))
    title = metadata.pop("title", "")
    return draft.finish(name=name, title="" if _OBVIOUS.match(title) else title, metadata=metadata)


def _read_parts(data: bytes) -> dict[str, bytes]:
    """The parts that we read, unpacked under the archive's limits."""
    wanted: tuple[str, ...] = ("word/document.xml", "word/styles.xml", "word/numbering.xml", "word/footnotes.xml")
    wanted += ("word/endnotes.xml", "docProps/core.xml")
    with opened(data) as archive:
        return {entry.filename: read_part(archive, entry) for entry in archive.infolist() if entry.filename in wanted}


def _parse(part: bytes) -> Element:
    try:
        root: Element = fromstring(part, forbid_dtd=True)
    except (DefusedXmlException, ParseError, ValueError, LookupError) as error:
        raise ConversionFailed("a part of the document is not XML that may be read") from error
    stack = [(root, 1)]
    while stack:
        element, depth = stack.pop()
        if depth > MAX_DEPTH:
            raise TooComplex(f"elements nested deeper than {MAX_DEPTH}")
        stack.extend((child, depth + 1) for child in element if len(child))
    return root


def _optional(parts: dict[str, bytes], name: str) -> Element | None:
    """A side part that is damaged costs its own content, not the document's."""
    if name not in parts:
        return None
    try:
        return _parse(parts[name])
    except ConversionFailed:
        return None


def _block_elements(container: Element) -> Iterator[Element]:
    """Paragraphs and tables in order, out of the wrappers around them."""
    stack = list(reversed(container))
    while stack:
        element = stack.pop()
        kind = local_name(element)
        if kind in ("p", "tbl"):
            yield element
        elif kind in _TRANSPARENT:
            stack.extend(reversed(element))


def _core_properties(core: Element | None) -> dict[str, str]:
    found: dict[str, str] = {}
    for child in core if core is not None else ():
        key = {"title": "title", "modified": "updated"}.get(local_name(child))
        if key and child.text and child.text.strip():
            found.setdefault(key, child.text.strip())
    return found


def _add_notes(parts: list[Element], writer: _Writer) -> None:
    for part in parts:
        for note in part:
            if attribute(note, "type") not in ("", "normal"):
                continue  # separators
            texts = (writer.reader.text(paragraph).strip() for paragraph in note.iter() if local_name(paragraph) == "p")
            body = " ".join(text for text in texts if text)
            if body:
                writer.draft.add(BlockKind.PARAGRAPH, f"[{attribute(note, 'id')}] {body}")


class _Writer:
    """Paragraph by paragraph into blocks; neighbouring list items become one list."""

    def __init__(self, draft: DocumentDraft, styles: Styles) -> None:
        self.draft = draft
        self.styles = styles
        self.reader = ParagraphReader(draft)
        self.lines: list[str] = []
        self.code: list[str] = []

    def write(self, element: Element) -> None:
        if local_name(element) == "tbl":
            self.end_list()
            self._table(element)
            return
        text = self.reader.text(element)
        if text.strip():
            self._paragraph(element, text)
        for box in self.reader.text_boxes(element):
            self.end_list()
            self.draft.add(BlockKind.PARAGRAPH, "\n".join(filter(None, (self.reader.text(p).strip() for p in box))))

    def end_list(self) -> None:
        if self.lines:
            self.draft.add(BlockKind.LIST, "\n".join(self.lines))
        if self.code:
            self.draft.add(BlockKind.CODE, "\n".join(self.code))
        self.lines, self.code = [], []

    def _paragraph(self, element: Element, text: str) -> None:
        look = self.styles.look(element)
        if look.heading:
            self.end_list()
            numbered = f"{look.marker} {text.strip()}" if look.marker not in ("", "-") else text
            self.draft.add(BlockKind.HEADING, numbered, level=look.heading)
        elif look.marker:
            if self.code:
                self.end_list()
            indent = "  " * look.depth
            first, *rest = (line for line in text.split("\n") if line.strip())
            self.lines.append(f"{indent}{look.marker} {first.strip()}")
            self.lines.extend(f"{indent}  {line.strip()}" for line in rest)
        elif look.code:
            if self.lines:
                self.end_list()
            self.code.append(text)
        else:
            self.end_list()
            self.draft.add(BlockKind.PARAGRAPH, text)

    def _table(self, table: Element) -> None:
        rows = [[cell for cell in row if local_name(cell) == "tc"] for row in table if local_name(row) == "tr"]
        if max((len(row) for row in rows), default=0) < 2:  # one column: a frame around text
            for row in rows:
                for cell in row:
                    for element in _block_elements(cell):
                        self.write(element)
            self.end_list()
            return
        lines = []
        for row in rows:
            cells = [self.reader.cell(cell) for cell in row]
            while cells and not cells[-1]:
                cells.pop()
            if cells:
                lines.append(" | ".join(cells))
        self.draft.add(BlockKind.TABLE, "\n".join(lines))
