"""Whether the articles can hold an answer at all, judged before a model is asked.

The sign is the best passage's cosine and how much of the question's rare words the best passages
hold. Thresholds are by judgement so far: `docs/evaluation.md`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from knowledge.types import Hit

MIN_COSINE = 0.40
SURE_COSINE = 0.60
MIN_COVERAGE = 0.34
UNKNOWN = re.compile(r"^\W*i (?:do not|don[’']t) know\b", re.IGNORECASE)


def too_weak(question: str, hits: Sequence[Hit]) -> str:
    """A reason code, or empty when an answer should be tried."""
    if not hits:
        return "nothing_found"
    best = max(hit.scores.get("dense", 0.0) for hit in hits)
    if best < MIN_COSINE:
        return "too_far"
    if best < SURE_COSINE and coverage(question, hits[:3]) < MIN_COVERAGE:
        return "too_little_in_common"
    return ""


def says_unknown(text: str) -> bool:
    """Whether a model itself says that the sources do not hold the answer."""
    return bool(UNKNOWN.match(text.strip())) and len(text) < 200


def coverage(question: str, hits: Sequence[Hit]) -> float:
    """The share of the question's longer words, by their first five letters, in the passages."""
    words = {word[:5] for word in re.findall(r"\w{4,}", question.lower())}
    if not words:
        return 1.0
    text = " ".join(" ".join((hit.title, *hit.heading_path, hit.text)) for hit in hits).lower()
    return sum(word in text for word in words) / len(words)
