"""Characters: what is white space, what nobody can see, what no database takes (F7, P3)."""

from __future__ import annotations

import re

INVISIBLE_TEXT = "invisible_text"
HIDDEN_TEXT = "hidden_text"

_NEWLINES = re.compile("\r\n?|[\v\f\x85\u2028\u2029]")
_SPACES = re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")
# Harmless where they come from: a byte order mark, a soft hyphen, the emoji selectors.
_SILENT = re.compile("[\ufeff\u00ad\ufe0e\ufe0f]")
# Controls, lone surrogates and noncharacters: no reader shows them and PostgreSQL refuses two.
_BROKEN = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
# Joiners shape letters in Arabic and Indic scripts and bind emoji: kept singly between such.
_JOINER = re.compile(
    "(?<![\u0600-\u1fff\u2190-\u2bff\U0001f000-\U0001faff])[\u200c\u200d]|[\u200c\u200d](?![\u0600-\u1fff\u2190-\u2bff\U0001f000-\U0001faff])"
)
_INVISIBLE = re.compile(
    "[\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0d\uffa0\ufff9-\ufffb\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)


def clean_characters(text: str) -> tuple[str, bool]:
    """`text` with one kind of line end and of space, and without what cannot be seen; and whether
    something invisible was there that an author has no reason for. Line feeds and tabs stay.

    Does not catch: letters that look like others, and text drawn with combining marks.
    """
    if text.isascii() and text.isprintable():
        return text, False
    text = _NEWLINES.sub("\n", text)
    text = _BROKEN.sub("", _SPACES.sub(" ", text))
    text = _SILENT.sub("", text)
    text, invisible = _INVISIBLE.subn("", text)
    text, joiners = _JOINER.subn("", text)
    return text, bool(invisible or joiners)


def storable(text: str) -> bool:
    """Whether PostgreSQL takes it."""
    if "\x00" in text:
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
