"""JSON Lines: each line an object, with a heading and its fields."""

from __future__ import annotations

import json
from typing import Any

from knowledge.converters.decoding import decode
from knowledge.converters.draft import DocumentDraft
from knowledge.converters.text import write_text
from knowledge.errors import ConversionFailed
from knowledge.types import BlockKind, ConvertedDocument

_TITLES = ("title", "question", "name", "subject", "heading")
_BODIES = ("text", "body", "content", "answer", "description")
MAX_FIELDS = 200


def convert_json_lines(data: bytes, *, name: str) -> ConvertedDocument:
    """A title field becomes a heading, text fields paragraphs, the others a list of "name: value".
    Raises ConversionFailed where a line is no JSON, EmptyDocument, DocumentTooLarge."""
    draft = DocumentDraft()
    for number, line in enumerate(decode(data).splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise ConversionFailed(f"line {number} is no JSON") from error
        _write(row if isinstance(row, dict) else {"": row}, draft)
    return draft.finish(name=name)


def is_json_lines(head: str) -> bool:
    """Whether the first two lines that hold something are objects."""
    lines = [line for line in head.split("\n", 20) if line.strip()][:2]
    try:
        return bool(lines) and all(isinstance(json.loads(line), dict) for line in lines)
    except (ValueError, RecursionError):
        return False


def _write(row: dict[str, Any], draft: DocumentDraft) -> None:
    fields = dict(list(row.items())[:MAX_FIELDS])
    title = next((key for key in _TITLES if isinstance(fields.get(key), str) and fields[key].strip()), None)
    if title is not None:
        draft.add(BlockKind.HEADING, fields.pop(title), level=2)
    for key in _BODIES:
        if isinstance(fields.get(key), str):
            write_text(fields.pop(key), draft)
    lines = [f"- {key}: {_value(value)}" if key else f"- {_value(value)}" for key, value in fields.items()]
    draft.add(BlockKind.LIST, "\n".join(" ".join(line.split()) for line in lines if line.strip()))


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
