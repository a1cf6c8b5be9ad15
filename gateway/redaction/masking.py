"""Takes out of a line of the log what nobody has to read there: keys, passwords, mail addresses.

Does not catch: names and numbers, which a log is not told; it would be unreadable without numbers.
"""

from __future__ import annotations

from gateway.redaction.numbers import EMAIL
from gateway.redaction.secrets import secrets
from gateway.redaction.spans import Kind, Span, apart


def masked(text: str) -> str:
    """The text with `[SECRET]` and `[EMAIL]` in their places."""
    emails = EMAIL.finditer(text) if "@" in text else ()
    parts, end = [], 0
    for span in apart([*secrets(text), *(Span(*found.span(), Kind.EMAIL) for found in emails)]):
        parts += [text[end : span.start], f"[{span.kind}]"]
        end = span.end
    return "".join([*parts, text[end:]])
