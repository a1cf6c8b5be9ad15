"""Which format a file really has, and the one entrance to its converter."""

from __future__ import annotations

import importlib
import io
import re
import zipfile
from collections.abc import Callable
from enum import StrEnum

from knowledge.converters.archive import MAX_ENTRIES
from knowledge.converters.decoding import decode, looks_binary
from knowledge.errors import (
    ConversionFailed,
    DocumentBomb,
    DocumentTooLarge,
    EmptyDocument,
    EncryptedDocument,
    UnsupportedFormat,
)
from knowledge.types import ConvertedDocument, DrawnPage

MAX_BYTES = 50 * 1024 * 1024
MAX_MARKUP_BYTES = 10 * 1024 * 1024  # what is written as text: a book of 5,000 pages


class Format(StrEnum):
    MARKDOWN = "markdown"
    HTML = "html"
    TEXT = "text"
    PDF = "pdf"
    DOCX = "docx"
    PPTX = "pptx"
    XLSX = "xlsx"
    CSV = "csv"
    MDX = "mdx"
    RST = "rst"
    ASCIIDOC = "asciidoc"
    EML = "eml"
    JSON_LINES = "jsonl"


# Module and function; imported at the first document of the format.
_CONVERTERS = {
    Format.MARKDOWN: ("markdown", "convert_markdown"),
    Format.HTML: ("html", "convert_html"),
    Format.TEXT: ("text", "convert_text"),
    Format.PDF: ("pdf", "convert_pdf"),
    Format.DOCX: ("docx", "convert_docx"),
    Format.PPTX: ("pptx", "convert_pptx"),
    Format.XLSX: ("xlsx", "convert_xlsx"),
    Format.CSV: ("csv", "convert_csv"),
    Format.MDX: ("mdx", "convert_mdx"),
    Format.RST: ("rst", "convert_rst"),
    Format.ASCIIDOC: ("asciidoc", "convert_asciidoc"),
    Format.EML: ("eml", "convert_eml"),
    Format.JSON_LINES: ("json_lines", "convert_json_lines"),
}
_SAMPLES = {
    "a.md": b"---\ntitle: a\n---\n# a\n\nb",
    "a.html": b"<html><body><p>a</p></body></html>",
    "a.txt": b"a \xe9",
    "a.csv": b"a,b\n1,2",
    "a.mdx": b"import a\n\n<A>b</A>",
    "a.rst": b"a\n=\n\n.. note:: b\n\n.. code-block:: c\n\n   d\n\n:ref:`e`\n\n.. c:d:: e",
    "a.adoc": b"= a\n\nb",
    "a.jsonl": b'{"a": "b"}',
    "a.eml": b"From: a@b.example\nSubject: =?utf-8?q?a?=\nMIME-Version: 1.0\nContent-Type: text/html\n\n<p>a",
}
_FOREIGN = {
    b"{\\rtf": "RTF",
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"GIF8": "a GIF image",
    b"RIFF": "an image or sound",
    b"\x1f\x8b": "a gzip archive",
    b"7z\xbc\xaf": "a 7z archive",
    b"Rar!": "a RAR archive",
    b"%!PS": "PostScript",
    b"\x7fELF": "a program",
}
_OFFICE = (
    ("word/document.xml", Format.DOCX),
    ("ppt/presentation.xml", Format.PPTX),
    ("xl/workbook.xml", Format.XLSX),
)
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_HTML_START = re.compile(
    r"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.{0,2000}?-->\s*)*<(?:!doctype\s+html|html|head|body)\b", re.I | re.S
)
_HTML_TAG = re.compile(
    r"<(?:div|p|h[1-6]|article|main|section|table|ul|ol|title|meta|span|a|br|b|i|pre|font|center|style|script)\b[^<>]*>",
    re.I,
)
_SVG_START = re.compile(r"\s*(?:<\?xml[^>]*>\s*)?(?:<!doctype\s+svg|<svg)\b", re.I)
_MAIL_START = re.compile(r"(?:From |(?:Return-Path|Received|Delivered-To|Message-ID|MIME-Version|X-[\w-]+):)", re.I)
_MAIL_FIELD = re.compile(r"^(From|To|Subject|Date|MIME-Version|Message-ID|Received):", re.I | re.M)
_ADDED = frozenset(("mime-version", "message-id", "received"))
_MARKDOWN_SIGNS = re.compile(
    r"^(?:#{1,6} \S|```|~~~|[*-] \[[ x]\] |\|[ :|-]*-[ :|-]*\|\s*$|> \S)|\[[^\]\n]{1,200}\]\([^)\s]{1,500}\)"
    r"|\*\*[^*\n]{1,200}\*\*",
    re.M,
)
_NAMED = {
    "md": Format.MARKDOWN,
    "markdown": Format.MARKDOWN,
    "mdx": Format.MDX,
    "rst": Format.RST,
    "rest": Format.RST,
    "adoc": Format.ASCIIDOC,
    "asciidoc": Format.ASCIIDOC,
    "asc": Format.ASCIIDOC,
    "csv": Format.CSV,
    "tsv": Format.CSV,
    "jsonl": Format.JSON_LINES,
    "ndjson": Format.JSON_LINES,
    "eml": Format.EML,
    "txt": Format.TEXT,
    "text": Format.TEXT,
}
_TYPED = {
    "text/markdown": Format.MARKDOWN,
    "text/mdx": Format.MDX,
    "text/x-rst": Format.RST,
    "text/asciidoc": Format.ASCIIDOC,
    "text/csv": Format.CSV,
    "text/tab-separated-values": Format.CSV,
    "application/jsonl": Format.JSON_LINES,
    "application/x-ndjson": Format.JSON_LINES,
    "message/rfc822": Format.EML,
}


def convert(data: bytes, *, name: str, media_type: str = "") -> ConvertedDocument:
    """The document in `data`. `name` and `media_type` only break a tie between formats that are
    plain text; everything else is decided by content (F8).

    Raises one of `knowledge.errors`, and nothing else for any bytes. Does not catch: a file that
    makes a C parser spin or die; run it under limits.
    """
    found = detect_format(data, name=name, media_type=media_type)
    if found is Format.EML:
        return _converter(found)(data, name=name, attachments=_attachment)
    return _converter(found)(data, name=name)


def draw_page(data: bytes, *, number: int, width: int) -> DrawnPage:
    """Page `number` of a PDF as a picture. Raises what `convert` raises."""
    from knowledge.converters.pdf_picture import draw

    return draw(data, number=number, width=width)


def _attachment(data: bytes, *, name: str) -> ConvertedDocument:
    """One level: a mail's attachments are read, those of a mail attached to it are not."""
    found = detect_format(data, name=name)
    return _converter(found)(data, name=name)


def load_all() -> None:
    """Imports every converter and what each imports at its first document: afterwards converting
    opens no file, and a process that may open none can do it."""
    for known in _CONVERTERS:
        _converter(known)
    for name, sample in _SAMPLES.items():
        convert(sample, name=name)
    importlib.import_module("knowledge.converters.pdf_picture")


def _converter(known: Format) -> Callable[..., ConvertedDocument]:
    module, function = _CONVERTERS[known]
    found: Callable[..., ConvertedDocument] = getattr(
        importlib.import_module(f"knowledge.converters.{module}"), function
    )
    return found


def detect_format(data: bytes, *, name: str, media_type: str = "") -> Format:
    """The format of `data` by content. Raises EmptyDocument, DocumentTooLarge, EncryptedDocument,
    ConversionFailed (a cut-off archive) or UnsupportedFormat."""
    if not data or not data.strip(b"\x00 \t\r\n\xef\xbb\xbf"):
        raise EmptyDocument("the file is empty")
    if len(data) > MAX_BYTES:
        raise DocumentTooLarge(f"{len(data):,} bytes; the limit is {MAX_BYTES:,}")
    if is_pdf(data):
        return Format.PDF
    if data.startswith(b"PK"):
        return _format_of_zip(data)
    if data.startswith(_OLE):
        if "EncryptedPackage".encode("utf-16-le") in data:
            raise EncryptedDocument("an Office document with a password")
        raise UnsupportedFormat("an Office document in the format of before 2007")
    for magic, what in _FOREIGN.items():
        if data.startswith(magic):
            raise UnsupportedFormat(what)
    if looks_binary(data):
        raise UnsupportedFormat("binary content")
    found = _format_of_text(decode(data[:65536]), name=name, media_type=media_type)
    if found is not Format.EML and len(data) > MAX_MARKUP_BYTES:
        raise DocumentTooLarge(f"{len(data):,} bytes of {found.value}; the limit is {MAX_MARKUP_BYTES:,}")
    return found


def is_pdf(data: bytes) -> bool:
    return b"%PDF-" in data[:1024]


def _format_of_zip(data: bytes) -> Format:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = len(archive.namelist())
            if entries > MAX_ENTRIES:
                raise DocumentBomb(f"{entries:,} entries")
            names = set(archive.namelist())
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError, UnicodeDecodeError) as error:
        if any(mark in data for mark in (*(part.encode() for part, _ in _OFFICE), b"[Content_Types].xml")):
            raise ConversionFailed("the Office file is cut off or damaged") from error
        raise UnsupportedFormat("a damaged archive") from error
    for part, known in _OFFICE:
        if part in names:
            return known
    if "[Content_Types].xml" in names and any(name.startswith("word/") for name in names):
        return Format.DOCX
    raise UnsupportedFormat("an archive; import it as one, and each file in it becomes a document")


def _is_mail(head: str) -> bool:
    """Begins with fields of a mail. Notes may begin with From, To and Subject; what mail programs add
    tells the two apart."""
    fields = {field.lower() for field in _MAIL_FIELD.findall(head[:4000])}
    if _MAIL_START.match(head):
        return len(fields) >= 3
    return bool(_MAIL_FIELD.match(head)) and len(fields) >= 4 and bool(fields & _ADDED)


def _format_of_text(head: str, *, name: str, media_type: str) -> Format:
    extension = name.rpartition(".")[2].lower() if "." in name else ""
    if _SVG_START.match(head):
        raise UnsupportedFormat("an SVG image")
    if _HTML_START.match(head):
        return Format.HTML
    if _is_mail(head):
        return Format.EML
    if extension in _NAMED:
        return _NAMED[extension]
    kind = media_type.partition(";")[0].strip().lower()
    if kind in _TYPED:
        return _TYPED[kind]
    named_html = extension in ("html", "htm", "xhtml") or media_type.startswith(("text/html", "application/xhtml"))
    tags = len(_HTML_TAG.findall(head))
    if tags and (named_html or (head.lstrip().startswith("<") and tags >= 2)):
        return Format.HTML
    if media_type.startswith("text/plain"):
        return Format.TEXT
    front_matter = head.lstrip("\ufeff").startswith("---\n")
    return Format.MARKDOWN if front_matter or len(_MARKDOWN_SIGNS.findall(head)) >= 2 else Format.TEXT
