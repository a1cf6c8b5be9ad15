"""Cleans a question and notes what looks like an attack on the prompt.

The score is a signal for the audit record, never the defence: a benign question may say "ignore
previous instructions" and is answered all the same (P7). The defence is that sources and questions
are data, ids are checked, and the output is parsed.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from assistant.errors import EmptyQuestion, QuestionTooLong

MAX_CHARACTERS = 4000

# Unicode tags, zero-width characters, bidi controls and variation selectors carry hidden text (P3).
# The zero-width joiners stay: Persian and emoji need them.
INVISIBLE = re.compile(
    "[\U000e0000-\U000e007f\U000e0100-\U000e01ef\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\u00ad]"
)

PATTERNS = [
    r"\b(ignore|disregard|forget)\b.{0,40}\b(previous|prior|above|all)\b.{0,40}\b(instructions?|rules?|prompts?)\b",
    r"\b(system|developer) (prompt|message)\b",
    r"\byou are now\b|\bpretend (to be|you are)\b|\bjailbreak\b|\bDAN\b",
    r"\b(reveal|print|repeat|show)\b.{0,40}\b(prompt|instructions|secret|password|key)\b",
]
SUSPICIOUS = [re.compile(pattern, re.IGNORECASE | re.DOTALL) for pattern in PATTERNS]


@dataclass(frozen=True)
class Guarded:
    """The question as it is used, and the share of known attack patterns that it shows, 0 to 1."""

    text: str
    injection_score: float
    cleaned: bool


def guard(question: str) -> Guarded:
    """Raises `EmptyQuestion` or `QuestionTooLong`. Does not catch: attacks in other words."""
    visible = INVISIBLE.sub("", question)
    text = "".join(c for c in visible if c in "\n\t" or unicodedata.category(c) not in {"Cc", "Cs"}).strip()
    if not text:
        raise EmptyQuestion
    if len(text) > MAX_CHARACTERS:
        raise QuestionTooLong(f"A question may have {MAX_CHARACTERS} characters; this one has {len(text)}.")
    found = sum(bool(pattern.search(text)) for pattern in SUSPICIOUS)
    return Guarded(text, found / len(SUSPICIOUS), cleaned=text != question.strip())
