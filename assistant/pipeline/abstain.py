"""Whether the articles can hold an answer at all, judged before a model is asked.

Evidence is the probability, by logistic regression, that one of the hits answers the question. It
has two signs: the best hit's cosine, and the share of the question's content words that the best
three hold. The second counts less the longer the question is: a long story names much that no
article needs to name. Fitted by `bench/abstention.py` on questions that are and are not answered
in their collection; `docs/evaluation.md` has the curve.

Does not catch: a question about something that the articles treat, but not in this respect.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from gateway.words import content_words
from knowledge.types import Hit

COSINE, COVERAGE, BIAS = 9.5, 4.3, -5.4
USUAL_COVERAGE = 0.6  # neither for nor against
LONG_QUESTION = 12  # content words, at which coverage counts half
ENOUGH = 0.2
UNKNOWN = re.compile(r"^\W*i (?:do not|don[’']t) know\b", re.IGNORECASE)


def too_weak(question: str, hits: Sequence[Hit]) -> str:
    """A reason code, or empty when an answer should be tried."""
    if not hits:
        return "nothing_found"
    return "" if evidence(question, hits) >= ENOUGH else "too_little_evidence"


def evidence(question: str, hits: Sequence[Hit]) -> float:
    """0 to 1, of hits in their order."""
    cosine, coverage = signs(question, hits)
    return 1 / (1 + math.exp(-(BIAS + COSINE * cosine + COVERAGE * coverage)))


def signs(question: str, hits: Sequence[Hit]) -> tuple[float, float]:
    """The best cosine, and how much more of the question's words the hits hold than usual, the less
    the longer the question is."""
    cosine = max(hit.scores.get("dense", 0.0) for hit in hits)
    words = content_words(question)
    if not words:
        return cosine, 0.0
    held = content_words(" ".join(" ".join((hit.title, *hit.heading_path, hit.text)) for hit in hits[:3]))
    weight = 1 / (1 + (len(words) / LONG_QUESTION) ** 2)
    return cosine, weight * (len(words & held) / len(words) - USUAL_COVERAGE)


def says_unknown(text: str) -> bool:
    """Whether a model itself says that the sources do not hold the answer."""
    return bool(UNKNOWN.match(text.strip())) and len(text) < 200
