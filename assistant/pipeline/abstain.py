"""Whether the articles can hold an answer at all, judged before a model is asked.

Evidence is the probability, by logistic regression, that one of the hits answers the question. It
has three signs: the best hit's cosine; how near the question's words are to those of one of the first
hits, which counts less the longer the question is, for a long story names much that no article needs
to name; and whether what a question wants counted ("how many seats"), or a word near it, stands beside a number.
Fitted by `bench/abstention.py` on questions that are and are not answered in their collection;
`docs/evaluation.md` has the shares.

Does not catch: a question about something that the articles treat, but not in this respect.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass
from itertools import groupby

from gateway.likeness import best_likeness
from gateway.sentences import sentence_spans
from gateway.words import telling_words
from knowledge.types import Hit

WEIGHTS = (9.6, 5.1, -5.7)  # of the signs, in their order
BIAS = -5.9
USUAL_LIKENESS = 0.5  # neither for nor against
LONG_QUESTION = 12  # telling words, at which likeness counts half
NEAR = 0.3  # likeness of two words for one thing, such as calls and requests
FIRST = 3  # hits whose words are looked at
ENOUGH = 0.14

UNKNOWN = re.compile(r"^\W*i (?:do not|don[’']t) know\b", re.IGNORECASE)
# Not "how many times" or "how many of": what stands there says nothing of the thing counted.
COUNTED = re.compile(r"\bhow many (?!of\b|more\b|the\b|times\b|people\b|things\b)([a-z]+)", re.IGNORECASE)
AMOUNT = re.compile(
    r"\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|dozen|hundred|thousand|million"
    r"|half|no|none|several|both|unlimited)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Signs:
    """`cosine` and `likeness` speak for an answer, `uncounted` (0 or 1) against it."""

    cosine: float
    likeness: float
    uncounted: float


def too_weak(question: str, hits: Sequence[Hit]) -> str:
    """A reason code, or empty when an answer should be tried."""
    if not hits:
        return "nothing_found"
    return "" if evidence(signs(question, hits)) >= ENOUGH else "too_little_evidence"


def evidence(found: Signs) -> float:
    """0 to 1."""
    return 1 / (1 + math.exp(-(BIAS + sum(w * sign for w, sign in zip(WEIGHTS, astuple(found), strict=True)))))


def signs(question: str, hits: Sequence[Hit]) -> Signs:
    """Of hits in their order, at least one."""
    texts = [" ".join((hit.title, *hit.heading_path, hit.text)) for hit in hits[:FIRST]]
    cosine = max(hit.scores.get("dense", 0.0) for hit in hits)
    return Signs(cosine, _likeness(question, texts), float(_is_uncounted(question, texts)))


def _likeness(question: str, texts: Sequence[str]) -> float:
    words = telling_words(question)
    if not words:
        return 0.0
    best = max(sum(best_likeness(words, telling_words(text))) for text in texts) / len(words)
    return (best - USUAL_LIKENESS) / (1 + (len(words) / LONG_QUESTION) ** 2)


def _is_uncounted(question: str, texts: Sequence[str]) -> bool:
    """Whether no sentence that has an amount speaks of what the question wants counted."""
    asked = COUNTED.search(question)
    if asked is None:
        return False
    statements = (each for text in texts for each in _statements(text))
    beside = {word for each in statements if AMOUNT.search(each) for word in telling_words(each)}
    return max(0.0, *best_likeness([asked.group(1).lower()], beside)) < NEAR


def _statements(text: str) -> Iterator[str]:
    """The sentences, and each table as a whole: what its numbers count stands in its first row."""
    sentences = (text[start:end] for start, end in sentence_spans(text))
    for is_table, group in groupby(sentences, key=lambda each: "|" in each):
        parts = list(group)
        yield from ["\n".join(parts)] if is_table else parts


def says_unknown(text: str) -> bool:
    """Whether a model itself says that the sources do not hold the answer."""
    return bool(UNKNOWN.match(text.strip())) and len(text) < 200
