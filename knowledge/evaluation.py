"""Measures retrieval on questions with known answers, through the product's own path."""

from __future__ import annotations

import json
import math
import statistics
import time
import uuid
from pathlib import Path
from typing import Any

from django.db import transaction

from accounts.models import Tenant
from accounts.tenancy import tenant_scope
from gateway import client
from gateway.types import Caller
from knowledge.importing import import_path
from knowledge.models import Document, Visibility
from knowledge.retrieval.retriever import Stage, retrieve

DEPTH = 400  # passages, so that at least a hundred documents are reached


def evaluate(folder: Path, stages: tuple[Stage, ...], *, quiet: bool = True) -> dict[str, dict[str, float]]:
    """Ingests `corpus.jsonl` into a throwaway tenant, asks `queries.jsonl`, and leaves nothing.

    Documents are ranked by their best passage. Metrics are means over the queries that have a
    relevant document: nDCG@10 with exponential gain (Burges et al., 2005), recall, MRR@10.
    """
    with transaction.atomic():
        transaction.set_rollback(True)  # so that nothing stays, audit records of this included
        tenant = Tenant.objects.create(slug=f"evaluation-{uuid.uuid4().hex[:12]}", name="Evaluation")
        report = import_path(folder / "corpus.jsonl", tenant, source_name="corpus", quiet=quiet, rolls_back=True)
        rate = report.passages / report.seconds
        queries = [json.loads(line) for line in (folder / "queries.jsonl").open(encoding="utf-8")]
        asked = [query for query in queries if query.get("relevant")]
        with tenant_scope(tenant.pk):
            identity = {str(pk): ext for pk, ext in Document.objects.values_list("pk", "external_id")}
        results: dict[str, dict[str, float]] = {}
        for stage in stages:
            scores, times = _ask_all(tenant.pk, asked, identity, stage)
            results[stage] = {**scores, "queries": len(asked), "passages": report.passages}
            results[stage] |= {"passages_per_s": round(rate, 1), **times}
        return results


def _ask_all(
    tenant_id: int, queries: list[dict[str, Any]], identity: dict[str, str], stage: Stage
) -> tuple[dict[str, float], dict[str, float]]:
    caller = Caller(tenant_id=tenant_id, purpose="evaluate")
    rows, milliseconds = [], []
    for query in queries:
        started = time.perf_counter()
        (vector,) = client.embed_sync(caller, [query["text"]], kind="query", rolls_back=True)
        with tenant_scope(tenant_id):
            hits = retrieve(
                query["text"],
                vector,
                tenant_id=tenant_id,
                visibilities=list(Visibility.values),
                limit=DEPTH,
                stage=stage,
                candidates=DEPTH,
            )
        milliseconds.append((time.perf_counter() - started) * 1000)
        ranking = list(dict.fromkeys(identity[hit.document] for hit in hits))
        rows.append(_metrics(ranking, query["relevant"]))
    means = {name: round(statistics.fmean(row[name] for row in rows), 4) for name in rows[0]}
    ordered = sorted(milliseconds)
    return means, {
        "p50_ms": round(ordered[len(ordered) // 2], 1),
        "p95_ms": round(ordered[int(len(ordered) * 0.95)], 1),
    }


def _metrics(ranking: list[str], relevant: dict[str, int]) -> dict[str, float]:
    gains = [2 ** relevant.get(each, 0) - 1 for each in ranking]
    ideal = sorted((2**grade - 1 for grade in relevant.values()), reverse=True)
    first = next((rank for rank, each in enumerate(ranking[:10], 1) if relevant.get(each, 0) > 0), 0)
    positive = {each for each, grade in relevant.items() if grade > 0}
    return {
        "ndcg@10": _dcg(gains[:10]) / (_dcg(ideal[:10]) or 1.0),
        "recall@10": len(positive & set(ranking[:10])) / len(positive),
        "recall@100": len(positive & set(ranking[:100])) / len(positive),
        "mrr@10": 1 / first if first else 0.0,
    }


def _dcg(gains: list[int]) -> float:
    return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains, 1))
