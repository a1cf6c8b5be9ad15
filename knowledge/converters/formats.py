"""Which format a file really has, and the one entrance to its converter."""

from __future__ import annotations

import importlib
import io
import re
import zipfile
from collections.abc import Callable
from enum import StrEnum

from knowledge.converters.decoding import decode, looks_binary
from knowledge.errors import ConversionFailed, DocumentTooLarge, EmptyDocument, EncryptedDocument, UnsupportedFormat
from knowledge.types import ConvertedDocument

MAX_BYTES = 50 * 1024 * 1024
MAX_MARKUP_BYTES = 10 * 1024 * 1024  # HTML, Markdown and text: a book of 5,000 pages


class Format(StrEnum):
    MARKDOWN = "markdown"
    HTML = "html"
    TEXT = "text"
    PDF = "pdf"
    DOCX = "docx"


# Module and function; imported at the first document of the format.
_CONVERTERS = {
    Format.MARKDOWN: ("markdown", "convert_markdown"),
    Format.HTML: ("html", "convert_html"),
    Format.TEXT: ("text", "convert_text"),
    Format.PDF: ("pdf", "convert_pdf"),
    Format.DOCX: ("docx", "convert_docx"),
}
_SAMPLES = {
    "a.md": b"---\ntitle: a\n---\n# a\n\nb",
    "a.html": b"<html><body><p>a</p></body></html>",
    "a.txt": b"a \xe9",
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
_MAIL_FIELD = re.compile(r"^(?:From|To|Subject|Date|MIME-Version|Message-ID|Received):", re.I | re.M)
_MARKDOWN_SIGNS = re.compile(
    r"^(?:#{1,6} \S|```|~~~|[*-] \[[ x]\] |\|[ :|-]*-[ :|-]*\|\s*$|> \S)|\[[^\]\n]{1,200}\]\([^)\s]{1,500}\)"
    r"|\*\*[^*\n]{1,200}\*\*",
    re.M,
)
_NAMED = {
    "md": Format.MARKDOWN,
    "markdown": Format.MARKDOWN,
    "mdx": Format.MARKDOWN,
    "txt": Format.TEXT,
    "text": Format.TEXT,
}


def convert(data: bytes, *, name: str, media_type: str = "") -> ConvertedDocument:
    """The document in `data`. `name` and `media_type` only break a tie between Markdown, text and a
    fragment of HTML; everything else is decided by content (F8).

    Raises one of `knowledge.errors`, and nothing else for any bytes. Does not catch: a file that
    makes a C parser spin or die; run it under limits.
    """
    found = detect_format(data, name=name, media_type=media_type)
    if found in (Format.MARKDOWN, Format.HTML, Format.TEXT) and len(data) > MAX_MARKUP_BYTES:
        raise DocumentTooLarge(f"{len(data):,} bytes of {found.value}; the limit is {MAX_MARKUP_BYTES:,}")
    return _converter(found)(data, name=name)


def load_all() -> None:
    """Imports every converter and what each imports at its first document: afterwards converting
    opens no file, and a process that may open none can do it."""
    for known in _CONVERTERS:
        _converter(known)
    for name, sample in _SAMPLES.items():
        convert(sample, name=name)


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
    if b"%PDF-" in data[:1024]:
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
    return _format_of_text(decode(data[:65536]), name=name, media_type=media_type)


def _format_of_zip(data: bytes) -> Format:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = set(archive.namelist())
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError, UnicodeDecodeError) as error:
        if b"word/document.xml" in data or b"[Content_Types].xml" in data:
            raise ConversionFailed("the DOCX archive is cut off or damaged") from error
        raise UnsupportedFormat("a damaged archive") from error
    if {"word/document.xml", "[Content_Types].xml"} & names and not any(n.startswith(("xl/", "ppt/")) for n in names):
        return Format.DOCX
    raise UnsupportedFormat("an archive or office format that is not DOCX")


def _format_of_text(head: str, *, name: str, media_type: str) -> Format:
    extension = name.rpartition(".")[2].lower() if "." in name else ""
    if _SVG_START.match(head):
        raise UnsupportedFormat("an SVG image")
    if _HTML_START.match(head):
        return Format.HTML
    if _MAIL_START.match(head) and len(_MAIL_FIELD.findall(head[:4000])) >= 3:
        raise UnsupportedFormat("an e-mail message")
    if extension in _NAMED:
        return _NAMED[extension]
    if media_type.startswith("text/markdown"):
        return Format.MARKDOWN
    named_html = extension in ("html", "htm", "xhtml") or media_type.startswith(("text/html", "application/xhtml"))
    tags = len(_HTML_TAG.findall(head))
    if tags and (named_html or (head.lstrip().startswith("<") and tags >= 2)):
        return Format.HTML
    if media_type.startswith("text/plain"):
        return Format.TEXT
    front_matter = head.lstrip("\ufeff").startswith("---\n")
    return Format.MARKDOWN if front_matter or len(_MARKDOWN_SIGNS.findall(head)) >= 2 else Format.TEXT
