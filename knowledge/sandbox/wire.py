"""What goes between the two sides: a length, then bytes; answers are JSON and are believed in nothing.

The asking side writes the document's name and type as JSON and then its bytes. What comes back may
have been written by a parser that its document took over, so that every field is checked: no answer
becomes code, an object of another class, or text that the database refuses.
"""

from __future__ import annotations

import base64
import json
import struct
import zlib
from collections.abc import Mapping
from typing import Any

from knowledge import errors
from knowledge.converters.cleaning import storable
from knowledge.types import Block, BlockKind, ConvertedDocument, DrawnPage, PageCharacters

REQUEST = struct.Struct("!II")  # bytes of the header, bytes of the document
ANSWER = struct.Struct("!I")

MAX_LINE = 2000  # characters of a title, a name, a detail
MAX_WARNINGS = 50
MAX_SIDE = 4000  # pixels of a page's picture
MAX_CHARACTERS = 200_000  # of one page
MAX_TENTHS = 1 << 20  # of a point: longer than any page that is drawn
_KINDS = {kind.value: kind for kind in BlockKind}
_METADATA = frozenset(("title", "url", "visibility", "updated"))


class Nonsense(Exception):
    """An answer that no converter of ours gives."""


def _named(base: type[errors.KnowledgeError]) -> dict[str, type[errors.KnowledgeError]]:
    found = {base.code: base}
    for child in base.__subclasses__():
        found |= _named(child)
    return found


Answer = ConvertedDocument | DrawnPage | tuple[errors.KnowledgeError, str]


def request(task: str, data: bytes, arguments: Mapping[str, str | int]) -> bytes:
    """`task` is one of those that a worker knows; `arguments` are its own."""
    header = json.dumps({"task": task, "arguments": dict(arguments)}).encode()
    return REQUEST.pack(len(header), len(data)) + header + data


def document_answer(document: ConvertedDocument) -> bytes:
    blocks = [[block.kind, block.start, block.end, block.level, block.page] for block in document.blocks]
    return _packed(
        {
            "text": document.text,
            "blocks": blocks,
            "title": document.title,
            "metadata": document.metadata,
            "warnings": document.warnings,
        }
    )


def page_answer(page: DrawnPage) -> bytes:
    return _packed(
        {
            "pixels": base64.b64encode(zlib.compress(page.pixels, 1)).decode(),
            "width": page.width,
            "height": page.height,
            "characters": page.characters.text,
            "boxes": page.characters.boxes,
            "size": page.characters.size,
            "pages": page.characters.pages,
        }
    )


def error_answer(error: errors.KnowledgeError, trace: str = "") -> bytes:
    return _packed({"error": error.code, "detail": error.detail[:MAX_LINE], "trace": trace})


def _packed(answer: Mapping[str, Any]) -> bytes:
    content = json.dumps(answer, ensure_ascii=False).encode("utf-8", "replace")
    return ANSWER.pack(len(content)) + content


def read_answer(content: bytes | bytearray) -> Answer:
    """The document or the page, or the error and the trace that came with it. Raises Nonsense."""
    try:
        answer = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise Nonsense("not JSON") from error
    if not isinstance(answer, dict):
        raise Nonsense("not an object")
    if "error" in answer:
        kind = _named(errors.KnowledgeError).get(_line(answer["error"]))
        if kind is None:
            raise Nonsense("an unknown error")
        trace = answer.get("trace", "")
        return kind(_line(answer.get("detail", ""))), trace[:20_000] if isinstance(trace, str) else ""
    return _page(answer) if "pixels" in answer else _document(answer)


def _page(answer: dict[str, Any]) -> DrawnPage:
    """Pixels and numbers: no picture that a browser would have to decode as its writer meant it."""
    width, height = _whole(answer.get("width"), MAX_SIDE), _whole(answer.get("height"), MAX_SIDE)
    size = [_whole(each, MAX_TENTHS) for each in _list(answer.get("size"))]
    text = answer.get("characters")
    if len(size) != 2:
        raise Nonsense("a page without a size")
    if not isinstance(text, str) or len(text) > MAX_CHARACTERS or not storable(text):
        raise Nonsense("no text that can be kept")
    boxes = tuple(tuple(box) if isinstance(box, list) else () for box in _list(answer.get("boxes")))
    if len(boxes) != len(text) or not all(
        len(box) == 4 and all(type(side) is int and 0 <= side <= MAX_TENTHS for side in box) for box in boxes
    ):
        raise Nonsense("characters without boxes")
    pixels = _pixels(answer["pixels"], width * height * 3)
    pages = _whole(answer.get("pages"), MAX_TENTHS)
    return DrawnPage(width, height, pixels, PageCharacters(text, boxes, (size[0], size[1]), pages))


def _pixels(packed: Any, length: int) -> bytes:
    try:
        pixels = zlib.decompressobj().decompress(base64.b64decode(packed, validate=True), length + 1)
    except (TypeError, ValueError, zlib.error) as error:
        raise Nonsense("no pixels") from error
    if len(pixels) != length:
        raise Nonsense("pixels of another size")
    return pixels


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _whole(value: Any, most: int) -> int:
    if type(value) is not int or not 0 < value <= most:
        raise Nonsense("a size out of bounds")
    return value


def _document(answer: dict[str, Any]) -> ConvertedDocument:
    text, metadata, warnings = answer.get("text"), answer.get("metadata"), answer.get("warnings")
    if not isinstance(text, str) or not storable(text):
        raise Nonsense("no text that can be kept")
    if not isinstance(metadata, dict) or not _METADATA.issuperset(metadata):
        raise Nonsense("metadata of another kind")
    if not isinstance(warnings, list) or len(warnings) > MAX_WARNINGS:
        raise Nonsense("warnings of another kind")
    return ConvertedDocument(
        text=text,
        blocks=_blocks(answer.get("blocks"), len(text)),
        title=_line(answer.get("title")),
        metadata={key: _line(value) for key, value in metadata.items()},
        warnings=tuple(_line(warning) for warning in warnings),
    )


def _blocks(rows: Any, length: int) -> tuple[Block, ...]:
    """In order, within the text, not overlapping: what citations rely on."""
    if not isinstance(rows, list):
        raise Nonsense("blocks of another kind")
    blocks = []
    at = 0
    try:
        for kind, start, end, level, page in rows:
            numbers = (start, end, level) if page is None else (start, end, level, page)
            if any(type(number) is not int for number in numbers):
                raise Nonsense("a place that is no number")
            if not at <= start < end <= length or not 0 <= level <= 6 or (page is not None and not 0 < page < 1 << 31):
                raise Nonsense("a block out of place")
            blocks.append(Block(_KINDS[kind], start, end, level, page))
            at = end
    except (ValueError, TypeError, KeyError) as error:
        raise Nonsense("a block of another kind") from error
    return tuple(blocks)


def _line(value: Any) -> str:
    if not isinstance(value, str) or len(value) > MAX_LINE or not storable(value):
        raise Nonsense("a line that cannot be kept")
    return value
