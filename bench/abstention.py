"""How well abstention tells questions that a collection answers from those that it does not.

    .venv/bin/python bench/abstention.py ../shared/eval [--most 200]

Three kinds of questions: answered ones; ones that people judged unanswerable there; and the answered
ones once more, with all that answers them left out of what was found ("removed"). Ingests and
retrieves by the product's own path, in a transaction that never commits.

Prints for each set how many are answered with the constants of `assistant.pipeline.abstain`, then
the same with constants fitted on the other sets alone, then with those fitted on all at several bounds
of what is enough, then these constants.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import astuple
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

import django

django.setup()

import numpy
from sklearn.linear_model import LogisticRegression

from accounts.commands import migrate
from accounts.models import Tenant
from accounts.tenancy import tenant_scope
from assistant.pipeline import abstain
from assistant.pipeline.compose import PASSAGES
from gateway.client import embed_sync
from gateway.types import Caller
from knowledge.evaluation import ingest, undone
from knowledge.models import Document, Visibility
from knowledge.retrieval.retriever import retrieve

DEPTH = 40  # passages, of which those of the removed documents are left out
KINDS = ("answered", "unanswerable", "removed")


class Row(NamedTuple):
    name: str
    kind: str
    signs: tuple[float, ...]


def questions(folder: Path, name: str) -> Iterator[tuple[str, set[str]]]:
    """(text, ids of the documents that answer it) of a set; none answer an unanswerable one."""
    for line in (folder / name / "queries.jsonl").open(encoding="utf-8"):
        row = json.loads(line)
        if row.get("lang", "en").startswith("en") and row.get("clean", True):
            relevant = {key for key, grade in (row.get("relevant") or {}).items() if grade > 0}
            if row.get("answerability") in (None, "answerable") and relevant:
                yield row["text"], relevant
            elif row.get("answerability") == "unanswerable":
                yield row["text"], set()
    extra = folder / name / "queries_unanswerable.jsonl"
    if extra.exists():
        for line in extra.open(encoding="utf-8"):
            yield json.loads(line)["text"], set()


def corpus_of(folder: Path, name: str, into: Path) -> Path:
    """The set's corpus in English, without the articles of other products."""
    path = into / f"{name}.jsonl"
    with (folder / name / "corpus.jsonl").open(encoding="utf-8") as lines, path.open("w", encoding="utf-8") as out:
        for line in lines:
            row = json.loads(line)
            if row.get("kind") != "distractor" and row.get("lang", "en").startswith("en"):
                out.write(line)
    return path


def rows(folder: Path, name: str, most: int, into: Path) -> Iterator[Row]:
    chosen: dict[bool, list[tuple[str, set[str]]]] = defaultdict(list)
    for text, relevant in questions(folder, name):
        chosen[bool(relevant)].append((text, relevant))
    with undone():
        tenant = Tenant.objects.create(slug=f"abstention-{name.replace('_', '-')}", name=name)
        ingest(corpus_of(folder, name, into), tenant, quiet=True)
        with tenant_scope(tenant.pk):
            identity = {str(pk): ext for pk, ext in Document.objects.values_list("pk", "external_id")}
        for answered, asked in chosen.items():
            random.Random(7).shuffle(asked)
            for text, relevant in asked[:most]:
                yield from _of_one(tenant, identity, name, text, relevant if answered else set())


def _of_one(tenant: Tenant, identity: dict[str, str], name: str, text: str, relevant: set[str]) -> Iterator[Row]:
    (vector,) = embed_sync(Caller(tenant_id=tenant.pk, purpose="evaluate"), [text], kind="query", rolls_back=True)
    with tenant_scope(tenant.pk):
        found = retrieve(text, vector, tenant_id=tenant.pk, visibilities=list(Visibility.values), limit=DEPTH)
    if not relevant:
        yield Row(name, "unanswerable", astuple(abstain.signs(text, found[:PASSAGES])))
        return
    if any(identity[hit.document] in relevant for hit in found[:PASSAGES]):
        yield Row(name, "answered", astuple(abstain.signs(text, found[:PASSAGES])))
    rest = [hit for hit in found if identity[hit.document] not in relevant]
    if rest:
        yield Row(name, "removed", astuple(abstain.signs(text, rest[:PASSAGES])))


class Constants(NamedTuple):
    weights: tuple[float, ...]
    bias: float


def fitted(data: list[Row]) -> Constants:
    """Every set and answer weighing the same."""
    counts: dict[tuple[str, bool], int] = defaultdict(int)
    for row in data:
        counts[row.name, row.kind == "answered"] += 1
    truth = numpy.array([row.kind == "answered" for row in data])
    weights = numpy.array([100 / counts[row.name, row.kind == "answered"] for row in data])
    model = LogisticRegression(C=1000, max_iter=5000)
    model.fit(numpy.array([row.signs for row in data]), truth, sample_weight=weights)
    return Constants(tuple(map(float, model.coef_[0])), float(model.intercept_[0]))


def table(data: list[Row], constants: Constants, name: str, enough: float = abstain.ENOUGH) -> str:
    """The share of each kind of question that would be answered."""
    parts = []
    for kind in KINDS:
        sums = [numpy.dot(constants.weights, r.signs) for r in data if (r.name, r.kind) == (name, kind)]
        if sums:
            share = sum(1 / (1 + math.exp(-(constants.bias + each))) >= enough for each in sums) / len(sums)
            parts.append(f"{kind} {share:.2f} (of {len(sums)})")
    return f"{name}: would answer " + ", ".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--most", type=int, default=200, help="questions of each kind and set")
    options = parser.parse_args()
    migrate()
    names = ("thunderbird_kb", "mtrag_un", "stackfaq", "xquad")
    with tempfile.TemporaryDirectory() as into:
        data = [row for name in names for row in rows(options.folder, name, options.most, Path(into))]
    print("As it is:")
    for name in names:
        print(" ", table(data, Constants(abstain.WEIGHTS, abstain.BIAS), name))
    print("Fitted on the other sets:")
    for name in names:
        print(" ", table(data, fitted([row for row in data if row.name != name]), name))
    print("Fitted on all, by how much is enough:")
    for enough in (0.1, 0.13, 0.16, 0.2, 0.25, 0.3):
        for name in names:
            print(f"  {enough:.2f}", table(data, fitted(data), name, enough))
    weights, bias = fitted(data)
    print("Fitted on all: weights", [round(each, 2) for each in weights], "bias", round(bias, 2))


if __name__ == "__main__":
    main()
