"""Takes many documents in at once, in this process, with progress: for commands and first start."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from accounts.models import Tenant
from accounts.tenancy import tenant_scope
from knowledge import indexing
from knowledge.errors import KnowledgeError
from knowledge.loading import incoming
from knowledge.models import Document, Passage, Source, State
from knowledge.tasks import index_documents

TOGETHER = 32  # documents; their passages are embedded in one call


@dataclass
class Report:
    """What became of an import; `counts` by state, `failures` with code and hint."""

    counts: Counter[str] = field(default_factory=Counter)
    failures: list[dict[str, str]] = field(default_factory=list)
    passages: int = 0
    seconds: float = 0.0

    def as_json(self) -> dict[str, Any]:
        counts = {name: self.counts[name] for name in ("indexed", "unchanged", "failed", "removed")}
        return {**counts, "passages": self.passages, "failures": self.failures, "seconds": round(self.seconds, 2)}


def import_path(
    path: Path,
    tenant: Tenant,
    *,
    source_name: str,
    visibility: str = "",
    quiet: bool = False,
    rolls_back: bool = False,
) -> Report:
    """Follows `path` as the source `source_name`: new and changed files are indexed, unchanged
    ones left alone, vanished ones removed. `visibility` is that of files which state none of their
    own. `rolls_back` says that the caller's transaction will."""
    report, started = Report(), time.perf_counter()
    with tenant_scope(tenant.pk):
        source, _ = Source.objects.get_or_create(tenant=tenant, name=source_name)
    seen, waiting = set(), []
    for item in incoming(path):
        if isinstance(item, tuple):
            name, error = item
            _failed(report, name, error)
            continue
        seen.add(item.external_id)
        with tenant_scope(tenant.pk):
            document = indexing.accept(source, replace(item, visibility=visibility))
        if document is None:
            report.counts["unchanged"] += 1
        else:
            waiting.append(str(document.pk))
    _index(
        report, waiting, tenant, tqdm(total=len(waiting), desc=source_name, unit="article", disable=quiet), rolls_back
    )
    with tenant_scope(tenant.pk):
        gone = Document.objects.filter(source=source).exclude(external_id__in=seen)
        report.counts["removed"] = gone.count()
        for document in gone:
            indexing.remove(document)
        report.passages = Passage.objects.filter(document__source=source).count()
    report.seconds = time.perf_counter() - started
    return report


def _index(report: Report, waiting: list[str], tenant: Tenant, bar: tqdm[Any], rolls_back: bool) -> None:
    with bar:
        for first in range(0, len(waiting), TOGETHER):
            together = waiting[first : first + TOGETHER]
            states = index_documents(tenant.pk, together, rolls_back=rolls_back)
            report.counts.update(states)
            bar.update(len(together))
    with tenant_scope(tenant.pk):
        for row in Document.objects.filter(pk__in=waiting, state=State.FAILED).order_by("external_id"):
            report.failures.append({"name": row.external_id, "code": row.error_code, "hint": row.error_hint})


def _failed(report: Report, name: str, error: Exception) -> None:
    report.counts["failed"] += 1
    code = error.code if isinstance(error, KnowledgeError) else "unreadable"
    report.failures.append({"name": name, "code": code, "hint": str(error)})
