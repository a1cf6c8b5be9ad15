"""Files to plain text with structure. What a file is, is decided by what is in it (threat F8)."""

from __future__ import annotations

import re

from knowledge.errors import DocumentTooLarge, EmptyDocument, EncryptedDocument, UnsupportedFormat
from knowledge.types import ConvertedDocument

MAX_BYTES = 50_000_000

_HTML = re.compile(
    rb"\s*(?:<\?xml[^>]{0,200}>\s*)?(?:<!--.{0,2000}?-->\s*)*<(?:!doctype\s+html|html|head|body|title|meta|article|main)\b",
    re.IGNORECASE | re.DOTALL,
)
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # Office before 2007, and encrypted Office since
_BINARY = (
    (b"\x89PNG", "PNG image"),
    (b"\xff\xd8\xff", "JPEG image"),
    (b"GIF8", "GIF image"),
    (b"\x1f\x8b", "gzip archive"),
    (b"7z\xbc\xaf\x27\x1c", "7z archive"),
    (b"Rar!", "RAR archive"),
    (b"\x7fELF", "program"),
    (b"MZ\x90", "program"),
    (b"{\\rtf", "RTF document"),
)
_MARKDOWN_NAMES = (".md", ".markdown", ".mdown", ".mkd", ".mdx")
_HTML_NAMES = (".html", ".htm", ".xhtml")


def convert(data: bytes, *, name: str, media_type: str = "") -> ConvertedDocument:
    """The text and blocks of a file.

    `name` (its last component shows as title where nothing better is known) and `media_type` only
    tell Markdown, HTML fragments and plain text apart. Raises `KnowledgeError`, always one of its
    leaves. Limits: MAX_BYTES in, `assembly.MAX_CHARACTERS` out. Memory and time of the PDF engine
    are not bounded here: run it for strangers' files in a process that can be killed (threat F2).
    """
    if len(data) > MAX_BYTES:
        raise DocumentTooLarge(f"{len(data)} bytes, at most {MAX_BYTES}")
    if not data.strip(b"\x00 \t\r\n"):
        raise EmptyDocument
    if b"%PDF-" in data[:1024]:
        from knowledge.converters.pdf import convert_pdf

        return convert_pdf(data, name=name)
    if data.startswith(b"PK\x03\x04"):
        from knowledge.converters.docx import convert_docx

        return convert_docx(data, name=name)
    return _convert_textual(data, name=name.lower(), media_type=media_type.split(";")[0].strip().lower(), shown=name)


def _convert_textual(data: bytes, *, name: str, media_type: str, shown: str) -> ConvertedDocument:
    if data.startswith(_OLE):
        if "EncryptedPackage".encode("utf-16-le") in data:
            raise EncryptedDocument("an encrypted Office file")
        raise UnsupportedFormat("an Office file from before 2007; save it as DOCX")
    for magic, kind in _BINARY:
        if data.startswith(magic):
            raise UnsupportedFormat(kind)
    if (
        _HTML.match(data.removeprefix(b"\xef\xbb\xbf")[:4096])
        or name.endswith(_HTML_NAMES)
        or media_type == "text/html"
    ):
        from knowledge.converters.html import convert_html

        return convert_html(data, name=shown)
    if name.endswith(_MARKDOWN_NAMES) or media_type == "text/markdown" or data.startswith(b"---\n"):
        from knowledge.converters.markdown import convert_markdown

        return convert_markdown(data, name=shown)
    from knowledge.converters.text import convert_text

    return convert_text(data, name=shown)
