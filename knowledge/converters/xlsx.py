"""XLSX: a heading for each sheet, and its rows as tables."""

from __future__ import annotations

import datetime
import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any
from xml.etree.ElementTree import ParseError

import openpyxl
from lxml.etree import LxmlError
from openpyxl.utils.exceptions import InvalidFileException

from knowledge.converters.archive import opened, read_part, refuse_declarations
from knowledge.converters.cleaning import HIDDEN_TEXT
from knowledge.converters.draft import DocumentDraft
from knowledge.converters.rows import write_rows
from knowledge.errors import ConversionFailed
from knowledge.types import BlockKind, ConvertedDocument

# What the libraries raise for parts that are not as they should be; RuntimeError is a part with a password.
_DAMAGED: tuple[type[Exception], ...] = (
    InvalidFileException,
    LxmlError,
    ParseError,
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,
)
_DAMAGED += (LookupError, ValueError, TypeError, AttributeError, ArithmeticError, AssertionError, RuntimeError)
_HIDDEN = re.compile(rb"<(?:\w+:)?(?:col|row)\b[^>]*\bhidden\s*=\s*[\"'](?:1|true)[\"']")
_PLAIN_NAME = re.compile(r"(?:sheet|tabelle|feuil|hoja|foglio|blad|arkusz)\s?\d*$", re.I)
_MIDNIGHT = datetime.time()


def convert_xlsx(data: bytes, *, name: str) -> ConvertedDocument:
    """Values as they were last computed; no formula is. Hidden sheets are left out, hidden rows and
    columns are kept, each with the warning "hidden_text". Raises DocumentBomb, ConversionFailed,
    EncryptedDocument, EmptyDocument, DocumentTooLarge.

    Does not catch: cells whose text has the colour of their ground.
    """
    refuse_declarations(data)
    draft = DocumentDraft()
    if _hides_rows(data):
        draft.warn(HIDDEN_TEXT)
    try:
        book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True, keep_links=False)
        title, updated = _properties(book)
        shown = [sheet for sheet in book.worksheets if getattr(sheet, "sheet_state", "visible") == "visible"]
        for sheet in book.worksheets:
            if sheet in shown:
                _write_sheet(sheet, draft, named=len(shown) > 1 or not _PLAIN_NAME.match(sheet.title))
            elif any(any(row) for row in _rows(sheet)):
                draft.warn(HIDDEN_TEXT)
    except _DAMAGED as error:
        raise ConversionFailed("the workbook cannot be read") from error
    return draft.finish(name=name, title=title, metadata={"updated": updated} if updated else {})


def _hides_rows(data: bytes) -> bool:
    with opened(data) as archive:
        sheets = (entry for entry in archive.infolist() if entry.filename.startswith("xl/worksheets/sheet"))
        return any(_HIDDEN.search(read_part(archive, entry)) for entry in sheets)


def _properties(book: Any) -> tuple[str, str]:
    modified = book.properties.modified
    updated = modified.date().isoformat() if isinstance(modified, datetime.datetime) else ""
    return str(book.properties.title or ""), updated


def _write_sheet(sheet: Any, draft: DocumentDraft, *, named: bool) -> None:
    if named:
        draft.add(BlockKind.HEADING, sheet.title, level=2)
    write_rows(_rows(sheet), draft)


def _rows(sheet: Any) -> Iterator[list[str]]:
    sheet.reset_dimensions()  # what it declares of its size may lie
    for row in sheet.iter_rows():
        yield [_shown(cell.value, getattr(cell, "number_format", "")) for cell in row]


def _shown(value: Any, number_format: str | None) -> str:
    """As a reader of the sheet sees it, or nearly."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, datetime.datetime):
        return value.date().isoformat() if value.time() == _MIDNIGHT else value.isoformat(" ", "minutes")
    if isinstance(value, float | int):
        return f"{value * 100:.10g}%" if "%" in (number_format or "") else f"{value:.15g}"
    return str(value)
