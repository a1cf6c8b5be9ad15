"""PDF: the text of each page in reading order, with headings by size of type."""

from __future__ import annotations

import contextlib
import ctypes
import re
from collections.abc import Iterator

import pypdfium2 as pdfium
import pypdfium2.raw as raw

from knowledge.converters.cleaning import HIDDEN_TEXT
from knowledge.converters.draft import DocumentDraft
from knowledge.converters.pdf_layout import without_running_lines, write_lines
from knowledge.converters.pdf_page import PageText, read_page
from knowledge.errors import ConversionFailed, DocumentTooLarge, EmptyDocument, EncryptedDocument, NoTextFound
from knowledge.types import ConvertedDocument

MAX_PAGES = 2_000
MAX_LINES = 200_000
UNREADABLE_PAGES = "unreadable_pages"

_NOT_A_TITLE = ("untitled", "microsoft word", "microsoft powerpoint", "document", "slide", "powerpoint presentation")
_FILE_NAME = re.compile(r"\.(?:docx?|odt|ods|odp|xlsx?|pptx?|pdf|tex|dvi|indd|qxd|rtf|html?|eps|ps)$")


def convert_pdf(data: bytes, *, name: str) -> ConvertedDocument:
    """Lines are joined to paragraphs, hyphens at line ends mended, running headers and footers left
    out; blocks carry their page. Raises EncryptedDocument, NoTextFound (a scan), EmptyDocument,
    ConversionFailed, DocumentTooLarge. Pages that cannot be read are left out with a warning.

    Does not catch: a file on which pdfium itself spins or dies; a subprocess with limits does.
    """
    with opened(data) as document:
        if len(document) > MAX_PAGES:
            raise DocumentTooLarge(f"{len(document):,} pages; the limit is {MAX_PAGES:,}")
        if len(document) == 0:
            raise EmptyDocument("the PDF has no pages")
        pages, unreadable = _read_pages(document)
        title = _title(document)
    draft = DocumentDraft()
    if any(page.hidden for page in pages):
        draft.warn(HIDDEN_TEXT)
    if unreadable:
        draft.warn(UNREADABLE_PAGES)
    lines = without_running_lines([list(page.lines) for page in pages])
    write_lines(lines, draft)
    if not draft:
        if unreadable and not pages:
            raise ConversionFailed("none of the pages can be read")
        raise (
            NoTextFound(f"{len(pages)} pages without text")
            if any(p.images for p in pages)
            else EmptyDocument("the pages hold no text")
        )
    return draft.finish(name=name, title=title)


@contextlib.contextmanager
def opened(data: bytes) -> Iterator[pdfium.PdfDocument]:
    try:
        document = pdfium.PdfDocument(data)
    except pdfium.PdfiumError as error:
        if getattr(error, "err_code", None) in (raw.FPDF_ERR_PASSWORD, raw.FPDF_ERR_SECURITY):
            raise EncryptedDocument("the PDF asks for a password") from error
        raise ConversionFailed("the PDF is damaged or cut off") from error
    try:
        yield document
    finally:
        document.close()


def _read_pages(document: pdfium.PdfDocument) -> tuple[list[PageText], int]:
    pages: list[PageText] = []
    unreadable = lines = 0
    for index in range(len(document)):
        try:
            page = document[index]
        except pdfium.PdfiumError:
            unreadable += 1
            continue
        try:
            pages.append(read_page(page, index + 1))
        except (pdfium.PdfiumError, ctypes.ArgumentError):
            unreadable += 1
            continue
        finally:
            page.close()
        lines += len(pages[-1].lines)
        if lines > MAX_LINES:
            raise DocumentTooLarge(f"more than {MAX_LINES:,} lines")
    return pages, unreadable


def _title(document: pdfium.PdfDocument) -> str:
    """What the metadata says, where a person wrote it."""
    try:
        title: str = document.get_metadata_value("Title").strip()
    except (pdfium.PdfiumError, UnicodeDecodeError):
        return ""
    plain = title.lower()
    if len(title) < 3 or plain.startswith(_NOT_A_TITLE) or _FILE_NAME.search(plain):
        return ""
    return title
