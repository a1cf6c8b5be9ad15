"""How often a similar question that was answered before can answer a new one, and how often wrongly.

    .venv/bin/python bench/semantic_cache.py ../shared/eval [--most 1200] [--sets banking77 turned …]

The questions of a set arrive in an order drawn at random. Each is held against all before it: a hit is
right where the two have the same article or intent, wrong otherwise. "Hits" are right hits of those
that had a chance, "wrong" are wrong hits of all that were asked.

Three columns: the bound alone; with `gateway.cache.check`; and, where the set has articles, also with the
rule that the best passage of the earlier question is among those found for the new one. Articles are
ingested and retrieved by the product's own path, in a transaction that never commits.

Then hard negatives: questions that are turned round here (a "not", a number, a product, an opposite, a
plan, the way about), whose every hit is wrong. The opposites and products are lists of this file.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

import django

django.setup()

import numpy

from accounts.commands import migrate
from accounts.models import Tenant
from accounts.tenancy import tenant_scope
from assistant.pipeline.compose import PASSAGES
from gateway.cache.check import MATCH, difference
from gateway.client import embed_sync
from gateway.types import Caller
from knowledge.evaluation import ingest, undone
from knowledge.models import Visibility
from knowledge.retrieval.retriever import retrieve

BOUNDS = (0.75, 0.80, 0.85, 0.88, 0.90, 0.92, 0.94, 0.96, 0.98)
MATCHES = (-1.0, 0.2, 0.3, 0.4, 0.5, 0.6, 1.01)  # -1: words are not compared, 1.01: they must be the same
LONGEST = 300  # characters of a question that is turned round
NEAREST = 5  # as many stored questions as the gateway looks at
SETS = ("stackfaq", "thunderbird_kb", "banking77", "clinc_oos")
WITH_ARTICLES = ("stackfaq", "thunderbird_kb")

OPPOSITES = [
    "enable disable", "add remove", "open close", "increase decrease", "upload download", "import export",
    "buy sell", "before after", "more less", "show hide", "lock unlock", "send receive", "start stop",
    "accept decline", "include exclude", "connect disconnect", "block unblock", "subscribe unsubscribe",
    "lend borrow", "win lose", "expensive cheap", "full empty", "save discard", "arrive leave", "pass fail",
    "large small", "join leave", "merge split", "pull push", "hot cold", "tomorrow yesterday", "activate deactivate",
    "install uninstall", "deposit withdraw", "domestic foreign", "sync unsync", "read write", "fast slow",
]  # fmt: skip
PRODUCTS = [
    "gmail yahoo", "google bing", "facebook twitter", "iphone blackberry", "visa mastercard", "android windows",
    "euros dollars", "thunderbird evolution", "chrome firefox", "trello asana", "youtube vimeo", "paypal stripe",
    "germany france", "spanish italian", "mac linux", "excel word", "dropbox onedrive", "microsoft apple",
    "card passport", "imap pop3", "calendar contacts", "email sms", "london berlin", "house car", "folder account",
    "message attachment", "phone tablet", "bank shop", "flight train", "pin password", "atm website",
]  # fmt: skip
ENDS = {
    "number": (" within 30 days?", " within 14 days?"),
    "plan": (" on the free plan?", " on the business plan?"),
    "qualifier": ("?", " on my tablet?"),
    "comparative": (" for more than a week?", " for less than a week?"),
}


class Question(NamedTuple):
    text: str
    answers: frozenset[str]


@dataclass(frozen=True)
class Pair:
    """A new question and an earlier one: `differs` by the match that words must reach."""

    cosine: float
    right: bool
    differs: dict[float, str]
    supported: bool


def questions(folder: Path, name: str, most: int) -> list[Question]:
    found = []
    for line in (folder / name / "queries.jsonl").open(encoding="utf-8"):
        row = json.loads(line)
        answers = [row["label"]] if row.get("label") else [key for key, grade in row["relevant"].items() if grade > 0]
        if row.get("clean", True) and row.get("in_scope", True) and answers:
            found.append(Question(row["text"], frozenset(answers)))
    random.Random(11).shuffle(found)
    return found[:most]


def embedded(tenant: Tenant, texts: Sequence[str]) -> Any:
    caller = Caller(tenant_id=tenant.pk, purpose="evaluate")
    vectors = [
        v
        for at in range(0, len(texts), 64)
        for v in embed_sync(caller, texts[at : at + 64], kind="query", rolls_back=True)
    ]
    return numpy.array(vectors, dtype="float32").reshape(len(texts), -1)


def sources_of(tenant: Tenant, asked: Sequence[Question], vectors: Any) -> list[list[int]]:
    """The ids of the passages found for each."""
    everything = list(Visibility.values)
    with tenant_scope(tenant.pk):
        found = [
            retrieve(each.text, vector.tolist(), tenant_id=tenant.pk, visibilities=everything, limit=PASSAGES)
            for each, vector in zip(asked, vectors, strict=True)
        ]
    return [[hit.passage_id for hit in hits] for hits in found]


def pairs(folder: Path, name: str, tenant: Tenant, asked: Sequence[Question]) -> list[list[Pair]]:
    """For each question its nearest earlier ones, nearest first."""
    vectors = embedded(tenant, [each.text for each in asked])
    sources = [[0]] * len(asked)
    if name in WITH_ARTICLES:
        ingest(folder / name / "corpus.jsonl", tenant, quiet=True)
        sources = sources_of(tenant, asked, vectors)
    likeness = vectors @ vectors.T
    found: list[list[Pair]] = [[]]
    for new in range(1, len(asked)):
        nearest = numpy.argsort(-likeness[new, :new])[:NEAREST]
        near = [old for old in map(int, nearest) if likeness[new, old] >= BOUNDS[0]]
        found.append([_pair(asked, sources, float(likeness[new, old]), new, old) for old in near])
    return found


def _pair(asked: Sequence[Question], sources: list[list[int]], cosine: float, new: int, old: int) -> Pair:
    one, other = asked[new], asked[old]
    differs = {match: difference(one.text, other.text, match=match) for match in MATCHES}
    best = sources[old][:1]
    return Pair(cosine, bool(one.answers & other.answers), differs, set(best) <= set(sources[new]))


def hit(near: list[Pair], bound: float, match: float | None, sources: bool) -> Pair | None:
    """The stored question that would answer; without `match`, unchecked."""
    for pair in near:
        checked = match is None or not pair.differs[match]
        if pair.cosine >= bound and checked and (pair.supported or not sources):
            return pair
    return None


def curve(name: str, asked: Sequence[Question], found: list[list[Pair]]) -> Iterator[str]:
    seen: set[str] = set()
    chances = 0
    for each in asked:
        chances += bool(each.answers & seen)
        seen |= each.answers
    yield f"{name}: {len(asked)} questions, {chances} with an earlier one of the same answer"
    columns = [("alone", None, False), ("checked", MATCH, False)]
    columns += [("checked, sources", MATCH, True)] if name in WITH_ARTICLES else []
    yield "  bound  " + "".join(f"{title:>30}" for title, _, _ in columns) + "   (hits / wrong, counts)"
    for bound in BOUNDS:
        yield f"  {bound:.2f}   " + "".join(_cell(found, chances, bound, match, src) for _, match, src in columns)
    yield "  by the likeness that words must reach, at 0.80, 0.85, 0.90:"
    for match in MATCHES:
        cells = "".join(_cell(found, chances, bound, match, name in WITH_ARTICLES) for bound in (0.80, 0.85, 0.90))
        yield f"  {match:>5.2f}  {cells}"


def _cell(found: list[list[Pair]], chances: int, bound: float, match: float | None, sources: bool) -> str:
    hits = [pair for near in found if (pair := hit(near, bound, match, sources))]
    right = sum(pair.right for pair in hits)
    wrong = len(hits) - right
    return f"{right / max(chances, 1):.3f} / {wrong / len(found):.4f} ({right}, {wrong})".rjust(30)


def turned(text: str) -> Iterator[tuple[str, str, str]]:
    """(kind, question, the same turned round) for every way that it can be."""
    bare = text.rstrip(" ?.!")
    if found := re.search(r"\b(do|does|did|can|could|should|will|is|are) (i|we|you|it|my|the \w+)\b", text, re.I):
        yield "negation", text, f"{text[: found.end()]} not{text[found.end() :]}"
    if found := re.search(r"\d+", text):
        yield "number", text, f"{text[: found.start()]}{int(found.group()) + 3}{text[found.end() :]}"
    for kind, pair_list in (("opposite", OPPOSITES), ("product", PRODUCTS)):
        for one, other in (pair.split() for pair in pair_list):
            for here, there in ((one, other), (other, one)):
                if re.search(rf"\b{here}\b", text, re.I):
                    yield kind, text, re.sub(rf"\b{here}\b", there, text, flags=re.I)
    if found := re.search(r"\bfrom (?:my |the |a )?(\w+) to (?:my |the |a )?(\w+)", text, re.I):
        swapped = found.group().replace(found[1], "\0").replace(found[2], found[1]).replace("\0", found[2])
        yield "direction", text, text.replace(found.group(), swapped)
    for kind, (one, other) in ENDS.items():
        if 3 < len(bare.split()) < 12:
            yield kind, bare + one, bare + other


def hard(tenant: Tenant, asked: Sequence[Question], most: int) -> Iterator[str]:
    made: dict[str, list[tuple[str, str]]] = {}
    for question in asked:
        for kind, text, other in turned(question.text):
            if text != other and len(text) <= LONGEST:
                made.setdefault(kind, []).append((text, other))
    for kind, found in sorted(made.items()):
        chosen = random.Random(5).sample(found, min(most, len(found)))
        ones, others = (embedded(tenant, [pair[side] for pair in chosen]) for side in (0, 1))
        cosines = (ones * others).sum(axis=1)
        passes = [not difference(one, other) for one, other in chosen]
        cells = []
        for bound in (0.80, 0.85, 0.90, 0.94):
            alone = cosines >= bound
            checked = sum(bool(near) and same for near, same in zip(alone, passes, strict=True))
            cells.append(f"{bound:.2f}: {alone.sum() / len(chosen):.3f} → {checked / len(chosen):.4f} ({checked})")
        yield f"  {kind:<12} {len(chosen):>5}   " + "   ".join(cells)
        slipped = [pair for pair, same, near in zip(chosen, passes, cosines, strict=True) if same and near >= 0.85]
        for one, other in slipped[:3]:
            yield f"      passed: {one!r} / {other!r}"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--most", type=int, default=1200, help="questions of each set, and turned round of each kind")
    parser.add_argument("--sets", nargs="+", choices=[*SETS, "turned"], default=[*SETS, "turned"])
    parser.add_argument("--slips", action="store_true", help="also print wrong hits at 0.85 that are let through")
    options = parser.parse_args()
    migrate()
    everything: list[Question] = []
    for name in SETS:
        asked = questions(options.folder, name, options.most)
        everything += asked
        if name not in options.sets:
            continue
        with undone():
            tenant = Tenant.objects.create(slug=f"cache-{name.replace('_', '-')}", name=name)
            found = pairs(options.folder, name, tenant, asked)
        print("\n".join(curve(name, asked, found)), flush=True)
        if options.slips:
            print("\n".join(_slips(options.folder, name, asked, found)), flush=True)
    if "turned" not in options.sets:
        return
    with undone():
        tenant = Tenant.objects.create(slug="cache-turned", name="turned round")
        print("turned round: kind, how many, share that hits by the bound alone → with the check")
        for line in hard(tenant, everything, options.most):
            print(line, flush=True)


def _slips(folder: Path, name: str, asked: Sequence[Question], found: list[list[Pair]]) -> Iterator[str]:
    for new, near in enumerate(found):
        pair = hit(near, 0.85, MATCH, name in WITH_ARTICLES)
        if pair and not pair.right:
            yield f"      wrong at {pair.cosine:.2f}: {asked[new].text!r} ({', '.join(sorted(asked[new].answers))})"


if __name__ == "__main__":
    main()
