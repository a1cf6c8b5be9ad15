"""Bytes to text, and plain text to paragraphs."""

from __future__ import annotations

import codecs
import re

from knowledge.converters.assembly import Assembler
from knowledge.errors import ConversionFailed
from knowledge.types import BlockKind, ConvertedDocument

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_ITEM = re.compile(r"\s*(?:[-*•‣◦]|\d{1,3}[.)])\s+\S")
_MARK = re.compile(r"^(\s*)[*•‣◦](\s+)")


def decode(data: bytes, *, declared: str = "") -> str:
    """The text of the bytes: byte order mark, then UTF-8, then what the file declares, then
    UTF-16 without a mark (every second byte NUL), then Windows-1252 with its holes as U+FFFD.

    Raises `ConversionFailed` where the bytes are no text at all (many control bytes).
    """
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return data.decode(encoding, errors="replace").removeprefix("\ufeff")
    sample = data[:4096]
    if sample.count(0) * 3 > len(sample):
        odd = sum(1 for byte in sample[1::2] if byte == 0)
        return data.decode("utf-16-le" if odd * 2 >= sample.count(0) else "utf-16-be", errors="replace")
    if sum(1 for byte in sample if byte < 9 or 13 < byte < 27) * 10 > len(sample) > 0:
        raise ConversionFailed("binary data, not text")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        pass
    try:
        encoding = codecs.lookup(declared).name if declared else "cp1252"
        # Labels such as "base64" or "rot13" are codecs as well, but none that turns bytes into text.
        return data.decode(encoding if codecs.lookup(encoding)._is_text_encoding else "cp1252", errors="replace")
    except (LookupError, ValueError):
        return data.decode("cp1252", errors="replace")


def convert_text(data: bytes, *, name: str) -> ConvertedDocument:
    """Plain text: blocks part at empty lines; a block whose lines are mostly items is a list.

    Lines of a paragraph stay lines, since a plain text may be an address or a log.
    """
    assembler = Assembler(name)
    for part in re.split(r"\n[ \t]*\n", assembler.cleaned(decode(data))):
        lines = [line for line in part.split("\n") if line.strip()]
        items = sum(1 for line in lines if _ITEM.match(line))
        if items and items * 2 >= len(lines) and _ITEM.match(lines[0]):
            assembler.add(BlockKind.LIST, "\n".join(_MARK.sub(r"\1-\2", line) for line in lines))
        else:
            assembler.add(BlockKind.PARAGRAPH, "\n".join(lines))
    return assembler.finish()
