"""Fits the weights of the default ranker (`knowledge/retrieval/weights.json`).

    .venv/bin/python bench/train_ranker.py ../shared/eval [--most 300] [--write]

Ingests each set and asks its questions by the product's own path, in a transaction that never commits.
The weights make the documents that answer likely among all that were found: the softmax of the
documents' scores (each by its best passage) against the grades, every set weighing the same. English and
other questions are fitted apart. No weight may be negative: each sign speaks for a passage. And the
document's signs together weigh no more than the passage's own cosine: the grades are of documents, so
they cannot teach which of its passages answers, and an answer quotes passages.

Prints nDCG@10 of every group of questions by the hybrid sum, by weights fitted on the other sets alone
(what an unseen help centre may expect), and by those fitted on all, which `--write` keeps.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import sys
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

import django

django.setup()

import numpy
from scipy.optimize import minimize
from tqdm import tqdm

from accounts.commands import migrate
from accounts.models import Tenant
from accounts.tenancy import tenant_scope
from gateway.client import embed_sync
from gateway.types import Caller
from knowledge.evaluation import DEPTH, ingest, metrics, undone
from knowledge.models import Document, Visibility
from knowledge.retrieval.language import is_english
from knowledge.retrieval.ranker import SIGNS, WEIGHTS_FILE
from knowledge.retrieval.retriever import search

SETS = ("thunderbird_kb", "mtrag_un", "stackfaq", "scifact", "xquad")
COMPARED = 60  # documents of one question, best first, that those that answer are compared with
ROUNDS = 4  # the best passage of a document depends on the weights, which depend on it
ENOUGH = 50  # questions of a set in a language
OF_DOCUMENT = {"document", "title"}
CALM = 1e-4  # times the squared weights, against extremes
STAGES = ("dense", "keyword", "hybrid", "ranked")

Weights = dict[str, numpy.ndarray]


class Question(NamedTuple):
    """`part` names those questions of a file that are also measured by themselves."""

    text: str
    relevant: dict[str, int]
    part: str


def language_of(question: Question) -> str:
    """As the ranker sees it: it has weights for two."""
    return "english" if is_english(question.text) else "other"


class Asked(NamedTuple):
    """What was found for one question: each passage's document, its signs (those of `ranker.SIGNS` for
    the question's language) and its score by every stage."""

    question: Question
    documents: list[str]
    signs: numpy.ndarray
    stages: dict[str, numpy.ndarray]


class Group(NamedTuple):
    """Questions that are measured together. `family` is the set: what is held out together."""

    family: str
    name: str
    asked: list[Asked]


def questions(folder: Path, most: int) -> dict[str, list[Question]]:
    """Those that have an answer, by file, at most so many of each, drawn at random. Parts are languages,
    and what a set calls clean."""
    found: dict[str, list[Question]] = {}
    for path in sorted(folder.glob("queries*.jsonl")):
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        answered = [row for row in rows if any(grade > 0 for grade in (row.get("relevant") or {}).values())]
        if answered:
            name = " ".join([folder.name, *path.stem.split("_")[1:]])
            random.Random(7).shuffle(answered)
            found[name] = [Question(row["text"], row["relevant"], _part(row)) for row in answered[:most]]
    return found


def _part(row: dict[str, Any]) -> str:
    return "clean" if row.get("clean") else str(row.get("lang") or "")


@contextmanager
def ingested(corpus: Path) -> Iterator[Tenant]:
    """A tenant that knows the corpus, gone afterwards."""
    with undone():
        tenant = Tenant.objects.create(slug=f"bench-{uuid.uuid4().hex[:12]}", name=corpus.parent.name)
        ingest(corpus, tenant, quiet=True)
        yield tenant


def ask(tenant: Tenant, asked: Sequence[Question], name: str) -> Iterator[tuple[Asked, list[float]]]:
    """What is found for each question, and the question's vector."""
    caller = Caller(tenant_id=tenant.pk, purpose="evaluate")
    with tenant_scope(tenant.pk):
        identity = {str(pk): ext for pk, ext in Document.objects.values_list("pk", "external_id")}
    for question in tqdm(asked, desc=name, unit="question", mininterval=5):
        (vector,) = embed_sync(caller, [question.text], kind="query", rolls_back=True)
        with tenant_scope(tenant.pk):
            hits = search(
                question.text, vector, tenant_id=tenant.pk, visibilities=list(Visibility.values), candidates=DEPTH
            )
        names = SIGNS[language_of(question)]
        signs = numpy.array([[hit.scores[name] for name in names] for hit in hits]).reshape(-1, len(names))
        stages = {stage: numpy.array([hit.scores[stage] for hit in hits]) for stage in STAGES}
        yield Asked(question, [identity[hit.document] for hit in hits], signs, stages), vector


def best_first(asked: Asked, scores: numpy.ndarray) -> list[int]:
    """The best passage of each document, best first."""
    first: dict[str, int] = {}
    for place in numpy.argsort(-scores, kind="stable"):
        first.setdefault(asked.documents[place], int(place))
    return list(first.values())


def ranking(asked: Asked, scores: numpy.ndarray) -> list[str]:
    return [asked.documents[place] for place in best_first(asked, scores)]


def fitted(groups: Sequence[Group]) -> Weights:
    """By language, the weights under which the documents that answer are likeliest; they sum to 1."""
    return {language: _fitted(language, asked) for language in SIGNS if (asked := _asked_in(language, groups))}


def fitted_without(family: str, groups: Sequence[Group]) -> Weights:
    """The same, from all sets but one."""
    return fitted([group for group in groups if group.family != family])


def _asked_in(language: str, groups: Sequence[Group]) -> list[Group]:
    """The questions in a language, those of one set together, where there are enough: every set weighs
    the same, so a few odd ones must not count as one."""
    families: dict[str, list[Asked]] = {}
    for group in groups:
        families.setdefault(group.family, []).extend(
            each for each in group.asked if language_of(each.question) == language
        )
    return [Group(family, family, asked) for family, asked in families.items() if len(asked) >= ENOUGH]


def _fitted(language: str, groups: Sequence[Group]) -> numpy.ndarray:
    weights = numpy.full(len(SIGNS[language]), 2.0)
    for _ in range(ROUNDS):
        weights = _step(groups, weights, _shares(language))
    found: numpy.ndarray = weights / weights.sum()
    return found


def _shares(language: str) -> numpy.ndarray:
    """The weights as sums of what is fitted, which is only kept from being negative: whatever a sign of
    the document weighs, the passage's cosine weighs as well."""
    names = SIGNS[language]
    shares = numpy.eye(len(names))
    for name in OF_DOCUMENT & set(names):
        shares[names.index("dense"), names.index(name)] = 1.0
    return shares


def _step(groups: Sequence[Group], weights: numpy.ndarray, shares_of: numpy.ndarray) -> numpy.ndarray:
    """One fit, with each document stood for by its best passage under `weights`."""
    signs, gains, starts, shares = [], [], [0], []
    for group in groups:
        usable = [rows for asked in group.asked if (rows := _compared(asked, weights)) is not None]
        for rows, gain in usable:
            signs.append(rows)
            gains.append(gain / gain.sum())
            starts.append(starts[-1] + len(gain))
            shares.append(1 / (len(usable) * len(groups)))
    x, gain, first = numpy.concatenate(signs) @ shares_of, numpy.concatenate(gains), numpy.array(starts[:-1])
    share = numpy.repeat(shares, numpy.diff(starts))

    def loss(w: numpy.ndarray) -> tuple[float, numpy.ndarray]:
        scores = x @ w
        scores -= numpy.repeat(numpy.maximum.reduceat(scores, first), numpy.diff(starts))
        total = numpy.repeat(numpy.log(numpy.add.reduceat(numpy.exp(scores), first)), numpy.diff(starts))
        chance = numpy.exp(scores - total)
        cost = -(share * gain * (scores - total)).sum() + CALM * (w**2).sum()
        return float(cost), x.T @ (share * (chance - gain)) + 2 * CALM * w

    begin = numpy.ones(len(weights))
    found = minimize(loss, begin, jac=True, method="L-BFGS-B", bounds=[(0, None)] * len(begin)).x
    weighed: numpy.ndarray = shares_of @ found
    return weighed


def _compared(asked: Asked, weights: numpy.ndarray) -> tuple[numpy.ndarray, numpy.ndarray] | None:
    """Signs and gains of the documents that count, or None where none that answers was found."""
    places = best_first(asked, asked.signs @ weights)
    gain = numpy.array([2.0 ** asked.question.relevant.get(asked.documents[place], 0) - 1 for place in places])
    if not gain.any():
        return None
    kept = (gain > 0) | (numpy.arange(len(gain)) < COMPARED)
    return asked.signs[numpy.array(places)[kept]], gain[kept]


def by(weights: Weights) -> Callable[[Asked], numpy.ndarray]:
    """The scores that these weights give."""
    return lambda asked: asked.signs @ weights[language_of(asked.question)]


def ndcg(group: Group, scores: Callable[[Asked], numpy.ndarray]) -> float:
    """nDCG@10, the mean over the group."""
    rows = [metrics(ranking(asked, scores(asked)), asked.question.relevant) for asked in group.asked]
    return statistics.fmean(row["ndcg@10"] for row in rows)


def collected(folder: Path, name: str, most: int) -> Iterator[Group]:
    """The groups of one set, with what was found."""
    with ingested(folder / name / "corpus.jsonl") as tenant:
        for group, asked in questions(folder / name, most).items():
            yield Group(name, group, [found for found, _ in ask(tenant, asked, group)])


def report(groups: Sequence[Group], final: Weights) -> Iterator[str]:
    """Each group's nDCG@10 by the hybrid sum, by weights of the other sets, by the final ones."""
    held_out = {family: fitted_without(family, groups) for family in {group.family for group in groups}}
    yield "| Questions | N | Hybrid | Fitted on the other sets | Fitted on all |"
    yield "|---|---|---|---|---|"
    for group in groups:
        scores = (
            ndcg(group, lambda asked: asked.stages["hybrid"]),
            ndcg(group, by(held_out[group.family])),
            ndcg(group, by(final)),
        )
        yield f"| {group.name} | {len(group.asked)} | " + " | ".join(f"{score:.4f}" for score in scores) + " |"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--most", type=int, default=10_000, help="questions of each file")
    parser.add_argument("--write", action="store_true", help=f"keep the weights in {WEIGHTS_FILE.name}")
    options = parser.parse_args()
    migrate()
    groups = [group for name in SETS for group in collected(options.folder, name, options.most)]
    final = fitted(groups)
    for line in report(groups, final):
        print(line)
    weights = {
        language: {sign: round(float(weight), 3) for sign, weight in zip(SIGNS[language], values, strict=True)}
        for language, values in final.items()
    }
    print(json.dumps(weights))
    if options.write:
        rows = ",\n".join(f'  "{language}": {json.dumps(values)}' for language, values in weights.items())
        WEIGHTS_FILE.write_text(f"{{\n{rows}\n}}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
