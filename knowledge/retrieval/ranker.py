"""The order of the candidates: a weighted sum whose weights were fitted (`bench/train_ranker.py`).

Of each candidate are known the cosine of the question to the passage (`dense`), to the mean of its
document's passages (`document`) and to the document's title (`title`), and the passage's BM25 as a share
of the query's best (`share`) and of the most that a passage with all of the question's words could have
(`coverage`).

A keyword match says less the longer the question is: among fifty words of a complaint some match
anywhere. So the share is scaled down beyond `SHORT` terms. A question in a language that the embedding
model does not know has weights of its own, and its matches count by coverage too: where the articles are
in English, even the best match may be of one stray word.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

WEIGHTS_FILE = Path(__file__).with_name("weights.json")
SIGNS = {"english": ("dense", "share", "document", "title"), "other": ("dense", "share", "coverage", "document")}
UNTITLED = 0.25  # the title's cosine of a document without one: what any title has
SHORT = 8  # terms without stop words

# Cosine and keyword share, by whether the question is in the embedding model's language.
HYBRID = {True: (0.82, 0.18), False: (0.4, 0.6)}


@dataclass(frozen=True)
class Question:
    """What the order depends on besides the candidates: how many terms, whether it is English, the
    best BM25 of any candidate, and the most that any passage could have."""

    terms: int
    english: bool
    best_keyword: float
    most_keyword: float

    def share(self, keyword: float) -> float:
        """Of a candidate's BM25, 0 to 1."""
        if self.best_keyword <= 0:
            return 0.0
        scale = min(1.0, SHORT / max(self.terms, 1)) if self.english else 1.0
        return scale * keyword / self.best_keyword

    def coverage(self, keyword: float) -> float:
        """How much of the question a candidate's BM25 speaks for, 0 to 1."""
        return keyword / self.most_keyword if self.most_keyword > 0 else 0.0


def hybrid(question: Question, dense: float, keyword: float) -> float:
    """The weighted sum of the two searches."""
    of_dense, of_keyword = HYBRID[question.english]
    return of_dense * dense + of_keyword * question.share(keyword)


def ranked(question: Question, signs: Mapping[str, float]) -> float:
    """The fitted sum."""
    language = "english" if question.english else "other"
    weights = _weights()[language]
    return sum(weights[name] * signs[name] for name in SIGNS[language])


@cache
def _weights() -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = json.loads(WEIGHTS_FILE.read_text(encoding="utf-8"))
    return found
