"""Measures retrieval on questions with known answers, through the product's own path."""

from __future__ import annotations

import json
import math
import statistics
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from django.db import connection, transaction
from tqdm import tqdm

from accounts.models import Tenant
from accounts.tenancy import tenant_scope
from gateway import client
from gateway.types import Caller
from knowledge.importing import Report, import_path
from knowledge.models import Document, Visibility
from knowledge.retrieval.keyword import COUNT_ALL, COUNT_LATER
from knowledge.retrieval.retriever import Stage, ordered, search

DEPTH = 400  # passages, so that at least a hundred documents are reached


class BadSet(Exception):
    """A folder that cannot be measured on; the message says which file and why."""


@dataclass(frozen=True)
class Query:
    """A question and the grades of the documents that answer it, by their id in the corpus."""

    text: str
    relevant: dict[str, int]


def evaluate(folder: Path, stages: Sequence[Stage], *, quiet: bool = True) -> dict[str, dict[str, float]]:
    """Ingests `corpus.jsonl` into a throwaway tenant, asks `queries.jsonl`, and leaves nothing.

    Documents are ranked by their best passage. Metrics are means over the queries that have a
    relevant document: nDCG@10 with exponential gain (Burges et al., 2005), recall, MRR@10. Times are
    of a question's embedding and its search together. Raises `BadSet`.
    """
    queries = read_queries(folder / "queries.jsonl")
    if not (folder / "corpus.jsonl").is_file():
        raise BadSet(f"{folder / 'corpus.jsonl'} does not exist")
    with undone():
        tenant = Tenant.objects.create(slug=f"evaluation-{uuid.uuid4().hex[:12]}", name="Evaluation")
        report = ingest(folder / "corpus.jsonl", tenant, quiet=quiet)
        if not report.passages:
            raise BadSet(f"{folder / 'corpus.jsonl'}: nothing in it could be indexed")
        size = {"queries": len(queries), "passages": report.passages}
        rate = {"passages_per_s": round(report.passages / report.seconds, 1)}
        measured = _ask_all(tenant.pk, queries, stages, quiet=quiet)
    return {stage: {**metrics, **size, **rate, **times} for stage, (metrics, times) in measured.items()}


def read_queries(path: Path) -> list[Query]:
    """The lines {`id`, `text`, `relevant`: {id: grade}} that name a relevant document."""
    queries = []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadSet(f"{path} cannot be read: {error}") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            relevant = {str(key): int(grade) for key, grade in (row.get("relevant") or {}).items()}
            query = Query(str(row["text"]), relevant)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise BadSet(f"{path}:{number} is not an object with text and relevant: {error!r}") from error
        if any(grade > 0 for grade in relevant.values()):
            queries.append(query)
    if not queries:
        raise BadSet(f"{path} has no query with a relevant document")
    return queries


@contextmanager
def undone() -> Iterator[None]:
    """A transaction that never commits, so that nothing stays: not the tenant, not the audit records
    of its embeddings, and nothing to clear away after an error, Ctrl-C or a kill."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def ingest(corpus: Path, tenant: Tenant, *, quiet: bool) -> Report:
    """Imports for a new tenant within `undone`. Its terms are counted once, at the end; statistics are
    gathered, for autovacuum does not see what is not committed, and plans would be those for empty
    tables: nested loops over all passages and documents, seconds for each question."""
    started = time.perf_counter()
    with connection.cursor() as cursor:
        cursor.execute(COUNT_LATER)
    report = import_path(corpus, tenant, source_name="corpus", quiet=quiet, rolls_back=True)
    with tenant_scope(tenant.pk), connection.cursor() as cursor:
        cursor.execute(COUNT_ALL, {"tenant": tenant.pk})
        cursor.execute("SELECT knowledge_gather_statistics()")
    report.seconds = time.perf_counter() - started
    return report


Measured = dict[Stage, tuple[dict[str, float], dict[str, float]]]


def _ask_all(tenant_id: int, queries: Sequence[Query], stages: Sequence[Stage], *, quiet: bool) -> Measured:
    """Metrics and times by stage; a question is embedded and searched once for all."""
    caller = Caller(tenant_id=tenant_id, purpose="evaluate")
    with tenant_scope(tenant_id):
        identity = {str(pk): ext for pk, ext in Document.objects.values_list("pk", "external_id")}
    rows: dict[Stage, list[dict[str, float]]] = {stage: [] for stage in stages}
    milliseconds: dict[Stage, list[float]] = {stage: [] for stage in stages}
    for query in tqdm(queries, desc="queries", unit="query", disable=quiet):
        started = time.perf_counter()
        (vector,) = client.embed_sync(caller, [query.text], kind="query", rolls_back=True)
        with tenant_scope(tenant_id):
            found = search(
                query.text, vector, tenant_id=tenant_id, visibilities=list(Visibility.values), candidates=DEPTH
            )
        searched = time.perf_counter() - started
        for stage in stages:
            started = time.perf_counter()
            hits = ordered(found, stage)
            milliseconds[stage].append((searched + time.perf_counter() - started) * 1000)
            ranking = [identity[each] for each in dict.fromkeys(hit.document for hit in hits)]
            rows[stage].append(metrics(ranking, query.relevant))
    return {stage: (_means(rows[stage]), _quantiles(milliseconds[stage])) for stage in stages}


def _means(rows: list[dict[str, float]]) -> dict[str, float]:
    return {name: round(statistics.fmean(row[name] for row in rows), 4) for name in rows[0]}


def _quantiles(milliseconds: list[float]) -> dict[str, float]:
    ordered = sorted(milliseconds)
    return {
        "p50_ms": round(ordered[len(ordered) // 2], 1),
        "p95_ms": round(ordered[int(len(ordered) * 0.95)], 1),
    }


def metrics(ranking: Sequence[str], relevant: dict[str, int]) -> dict[str, float]:
    """Of one query: document ids, best first, against the grades of those that answer it."""
    gains = [2 ** relevant.get(each, 0) - 1 for each in ranking]
    ideal = sorted((2**grade - 1 for grade in relevant.values()), reverse=True)
    first = next((rank for rank, each in enumerate(ranking[:10], 1) if relevant.get(each, 0) > 0), 0)
    positive = {each for each, grade in relevant.items() if grade > 0}
    return {
        "ndcg@10": _dcg(gains[:10]) / _dcg(ideal[:10]),
        "recall@10": len(positive & set(ranking[:10])) / len(positive),
        "recall@100": len(positive & set(ranking[:100])) / len(positive),
        "mrr@10": 1 / first if first else 0.0,
    }


def _dcg(gains: list[int]) -> float:
    return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains, 1))
