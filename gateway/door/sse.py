"""Server-sent events (WHATWG HTML, section 9.2)."""

from __future__ import annotations

import json

from gateway.types import JSON


def compact(value: JSON) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def sse(data: JSON | str, event: str = "") -> bytes:
    text = data if isinstance(data, str) else compact(data)
    return f"{f'event: {event}' + chr(10) if event else ''}data: {text}\n\n".encode()


def comment(text: str) -> bytes:
    """A line that parsers pass over."""
    return f": {text}\n\n".encode()
