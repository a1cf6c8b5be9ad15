"""Bytes of unknown encoding to text. Never fails: what cannot be read becomes U+FFFD."""

from __future__ import annotations

import codecs
import re

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SAMPLE = 65536
_DECLARED = re.compile(rb"<meta[^>]{0,200}charset\s*=\s*[\"']?\s*([A-Za-z0-9_.:-]{2,40})", re.I)
_CONTROLS = bytes(set(range(32)) - {7, 8, 9, 10, 11, 12, 13, 27}) + b"\x7f"


def decode(data: bytes, *, html: bool = False) -> str:
    """A byte order mark decides, else UTF-8 where it is valid, else UTF-16 by its pattern of zero
    bytes, else what HTML declares, else Windows-1252. A few broken bytes in a UTF-8 file do not
    turn the rest of it into mojibake."""
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return data.decode(encoding, errors="replace")
    wide = _wide_encoding(data)
    if wide:
        return data.decode(wide, errors="replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode(_narrow_encoding(data, html=html), errors="replace")


def looks_binary(data: bytes) -> bool:
    """More than 1 in 10 bytes of the head are controls that no text has."""
    head = data[:8192]
    if any(head.startswith(mark) for mark, _ in _BOMS) or _wide_encoding(head):
        return False
    return len(head) - len(head.translate(None, _CONTROLS)) > max(8, len(head) // 10)


def _wide_encoding(data: bytes) -> str:
    """UTF-16 without a mark: nearly every second byte of Latin text is zero, the others never."""
    head = data[:2048]
    even, odd = head[::2].count(0), head[1::2].count(0)
    half = len(head) // 2
    if half < 2:
        return ""
    if odd > 0.7 * half and even <= half // 50:
        return "utf-16-le"
    if even > 0.7 * half and odd <= half // 50:
        return "utf-16-be"
    return ""


def _narrow_encoding(data: bytes, *, html: bool) -> str:
    declared = _DECLARED.search(data[:4096]) if html else None
    if declared:
        try:
            found = codecs.lookup(declared.group(1).decode("ascii"))
        except LookupError:
            found = None
        # Python also calls "hex" and "rot13" codecs; a page must not choose those.
        if found is not None and found.name not in ("utf-8", "utf-7") and getattr(found, "_is_text_encoding", True):
            return found.name
    sample = data[:_SAMPLE].decode("utf-8", errors="replace")
    broken, beyond = sample.count("\ufffd"), sum(not character.isascii() for character in sample)
    return "utf-8" if beyond > 4 * broken else "cp1252"
