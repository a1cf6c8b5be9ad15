"""Retrieval beside four peers, on questions with known answers, in one run.

    .venv/bin/python bench/retrieval.py ../shared/eval [--most 300] [--json FILE] [--plot docs/images/retrieval.svg]

The peers have the same passages, with the title in front; the best passage counts for its document. They
are BM25 (`bm25s`, English stop words and stems; over passages or whole documents, whichever is better on
the set), the same embedding model alone, searched exactly, their reciprocal rank fusion, and the sum
0.85 × cosine + 0.15 × (BM25 ÷ the query's best). Ours, by the product's own path: each stage, and the
last with weights that were fitted on the other sets alone (`bench/train_ranker.py`). Prints Markdown.
"""

from __future__ import annotations

import argparse
import json
import logging
import statistics
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import bm25s
import numpy
import snowballstemmer
from retrieval_plot import drawn
from train_ranker import SETS, STAGES, Asked, Group, Weights, ask, by, fitted_without, ingested, questions, ranking

from accounts.commands import migrate
from accounts.models import Tenant
from accounts.tenancy import tenant_scope
from knowledge.evaluation import metrics
from knowledge.models import Passage
from knowledge.retrieval.language import spaced

FUSION = 60  # of reciprocal rank fusion

PEERS = ("BM25", "embedding", "fusion", "sum")
OURS = (*STAGES, "held out")

Means = dict[str, dict[str, float]]  # by system and metric


class Result(NamedTuple):
    """A group of questions as ours found it, and the peers' metrics by question."""

    group: Group
    peers: dict[str, list[dict[str, float]]]

    def parts(self) -> Iterator[Result]:
        """The whole, then what is also measured by itself."""
        yield self
        parts = [asked.question.part for asked in self.group.asked]
        for part in dict.fromkeys(filter(None, parts)) if len(set(parts)) > 1 else ():
            chosen = [place for place, each in enumerate(parts) if each == part]
            yield Result(
                Group(self.group.family, f"{self.group.name} {part}", [self.group.asked[place] for place in chosen]),
                {peer: [rows[place] for place in chosen] for peer, rows in self.peers.items()},
            )


class Peers:
    """The four, over the passages that the tenant has."""

    def __init__(self, rows: Sequence[dict[str, str]], tenant: Tenant) -> None:
        self.documents = [row["id"] for row in rows]
        number = {document: place for place, document in enumerate(self.documents)}
        titles = [row.get("title") or "" for row in rows]
        with tenant_scope(tenant.pk):
            found = list(Passage.objects.values_list("document__external_id", "text", "embedding"))
        self.owner = numpy.array([number[document] for document, _, _ in found])
        self.vectors = numpy.array([vector for _, _, vector in found], dtype=numpy.float32)
        self.vectors /= numpy.linalg.norm(self.vectors, axis=1, keepdims=True)
        self.of_passages = _bm25([f"{titles[number[document]]}\n{text}" for document, text, _ in found])
        self.of_documents = _bm25([f"{title}\n{row['text']}" for title, row in zip(titles, rows, strict=True)])

    def rankings(self, question: str, vector: Sequence[float]) -> dict[str, list[str]]:
        """Document ids by each peer, best first."""
        cosine = self.vectors @ numpy.array(vector, dtype=numpy.float32)
        words = _tokens([question])[0]
        keyword = self.of_passages.get_scores(words) if words else numpy.zeros(len(self.owner))
        whole = self.of_documents.get_scores(words) if words else numpy.zeros(len(self.documents))
        dense, sparse = self._best(cosine), self._best(keyword)
        best = max(float(keyword.max()), 1e-9)
        return {
            "BM25 of passages": self._ranked(sparse, above=0.0),
            "BM25 of documents": self._ranked(whole, above=0.0),
            "embedding": self._ranked(dense),
            "fusion": self._ranked(_reciprocal(dense) + numpy.where(sparse > 0, _reciprocal(sparse), 0)),
            "sum": self._ranked(self._best(0.85 * cosine + 0.15 * keyword / best)),
        }

    def _best(self, scores: numpy.ndarray) -> numpy.ndarray:
        """The best passage's score of each document."""
        best = numpy.full(len(self.documents), -numpy.inf)
        numpy.maximum.at(best, self.owner, scores)
        return best

    def _ranked(self, scores: numpy.ndarray, above: float = -numpy.inf) -> list[str]:
        order = numpy.argsort(-scores, kind="stable")[:100]
        return [self.documents[number] for number in order if scores[number] > above]


def _tokens(texts: Sequence[str]) -> list[list[str]]:
    """Chinese, Japanese and Thai are cut as ours are: without it, BM25 would find nothing there."""
    cut = [spaced(text) for text in texts]
    stem = snowballstemmer.stemmer("english").stemWords
    found: list[list[str]] = bm25s.tokenize(cut, stopwords="en", stemmer=stem, return_ids=False, show_progress=False)
    return found


def _bm25(texts: Sequence[str]) -> bm25s.BM25:
    index = bm25s.BM25()
    index.index(_tokens(texts), show_progress=False)
    return index


def _reciprocal(scores: numpy.ndarray) -> numpy.ndarray:
    ranks = numpy.empty(len(scores))
    ranks[numpy.argsort(-scores, kind="stable")] = numpy.arange(1, len(scores) + 1)
    return 1 / (FUSION + ranks)


def measured(folder: Path, name: str, most: int) -> Iterator[Result]:
    """Peers and ours on each group of the set's questions."""
    rows = [json.loads(line) for line in (folder / name / "corpus.jsonl").open(encoding="utf-8") if line.strip()]
    with ingested(folder / name / "corpus.jsonl") as tenant:
        peers = Peers(rows, tenant)
        for group, asked in questions(folder / name, most).items():
            found: list[Asked] = []
            scores: dict[str, list[dict[str, float]]] = {}
            for each, vector in ask(tenant, asked, group):
                found.append(each)
                for peer, order in peers.rankings(each.question.text, vector).items():
                    scores.setdefault(peer, []).append(metrics(order, each.question.relevant))
            yield Result(Group(name, group, found), scores)


def _better_bm25(peers: Means) -> Means:
    passages, documents = peers.pop("BM25 of passages"), peers.pop("BM25 of documents")
    return {"BM25": max(passages, documents, key=lambda row: row["ndcg@10"]), **peers}


def means(rows: Sequence[dict[str, float]]) -> dict[str, float]:
    return {metric: statistics.fmean(row[metric] for row in rows) for metric in rows[0]}


def ours(group: Group, held_out: Weights) -> Means:
    """Our stages, and the last with weights of the other sets."""
    systems: dict[str, Callable[[Asked], numpy.ndarray]] = {
        **{stage: lambda asked, stage=stage: asked.stages[stage] for stage in STAGES},
        "held out": by(held_out),
    }
    return {
        name: means([metrics(ranking(asked, score(asked)), asked.question.relevant) for asked in group.asked])
        for name, score in systems.items()
    }


def table(results: Sequence[tuple[str, int, Means]], metric: str) -> Iterator[str]:
    """In Markdown; the best of each row in bold."""
    systems = (*PEERS, *OURS)
    yield f"| {metric} | N | " + " | ".join(systems) + " |"
    yield "|---" * (len(systems) + 2) + "|"
    for name, count, row in results:
        best = max(row[system][metric] for system in systems)
        cells = (f"{row[system][metric]:.3f}" for system in systems)
        marked = (
            f"**{cell}**" if row[system][metric] == best else cell for cell, system in zip(cells, systems, strict=True)
        )
        yield f"| {name} | {count} | " + " | ".join(marked) + " |"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--most", type=int, default=10_000, help="questions of each file")
    parser.add_argument("--json", type=Path, help="where to keep all metrics")
    parser.add_argument("--plot", type=Path, help="where to draw nDCG@10 of the sets")
    options = parser.parse_args()
    logging.getLogger("bm25s").setLevel(logging.WARNING)
    migrate()
    measurements = [result for name in SETS for result in measured(options.folder, name, options.most)]
    groups = [result.group for result in measurements]
    held_out = {name: fitted_without(name, groups) for name in SETS}
    results = [
        (
            group.name,
            len(group.asked),
            _better_bm25({peer: means(rows) for peer, rows in peers.items()}) | ours(group, held_out[group.family]),
        )
        for result in measurements
        for group, peers in result.parts()
    ]
    for metric in ("ndcg@10", "recall@10", "recall@100", "mrr@10"):
        print("\n".join(table(results, metric)), end="\n\n")
    if options.json:
        options.json.write_text(json.dumps({name: row for name, _, row in results}, indent=1), encoding="utf-8")
    if options.plot:
        options.plot.write_text(drawn(results), encoding="utf-8")


if __name__ == "__main__":
    main()
