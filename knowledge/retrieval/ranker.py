"""The order of the candidates: a weighted sum whose weights were learned (`bench/train_ranker.py`).

Of each candidate four things are known: the cosine of the question to the passage, to the mean of its
document's passages and to the document's title, and the passage's BM25 as a share of the query's best.
A keyword match says less the longer the question is: among fifty words of a complaint some match
anywhere. So that share is scaled down beyond `SHORT` terms. A question in a language that the embedding
model does not know has weights of its own.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

WEIGHTS_FILE = Path(__file__).with_name("weights.json")
FEATURES = ("dense", "keyword", "document", "title")
UNTITLED = 0.25  # the title's cosine of a document without one: what any title has
SHORT = 8  # terms without stop words

# Cosine and keyword share, by whether the question is in the embedding model's language.
HYBRID = {True: (0.82, 0.18), False: (0.6, 0.4)}


@dataclass(frozen=True)
class Question:
    """What the order depends on besides the candidates: how many terms, whether it is English, and
    the best BM25 of any candidate."""

    terms: int
    english: bool
    best_keyword: float

    def share(self, keyword: float) -> float:
        """Of a candidate's BM25, 0 to 1."""
        if self.best_keyword <= 0:
            return 0.0
        scale = min(1.0, SHORT / max(self.terms, 1)) if self.english else 1.0
        return scale * keyword / self.best_keyword


def hybrid(question: Question, dense: float, keyword: float) -> float:
    """The weighted sum of the two searches."""
    of_dense, of_keyword = HYBRID[question.english]
    return of_dense * dense + of_keyword * question.share(keyword)


def ranked(question: Question, dense: float, keyword: float, document: float, title: float) -> float:
    """The learned sum."""
    weights = _weights()["english" if question.english else "other"]
    values = (dense, question.share(keyword), document, title)
    return sum(weights[name] * value for name, value in zip(FEATURES, values, strict=True))


@cache
def _weights() -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = json.loads(WEIGHTS_FILE.read_text(encoding="utf-8"))
    return found
