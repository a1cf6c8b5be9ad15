"""The one place from which a call is told of: when it is in the books."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db import transaction

from accounts.models import Tenant
from gateway.audit.writer import timings
from gateway.models import AuditRecord
from gateway.telemetry import metrics, spans
from gateway.types import JSON, FinishReason, Task, Trace

logger = logging.getLogger("citedesk.calls")
_slugs: dict[int, str] = {}  # a tenant's slug does not change


@dataclass(frozen=True)
class Ended:
    """A call that is over. It names neither the user nor the purpose."""

    call_id: str
    tenant: str
    task: str
    frozen: JSON
    trace: Trace

    @property
    def outcome(self) -> str:
        return str(self.trace.reason or FinishReason.ERROR)

    def seconds(self, start: str, end: str) -> float | None:
        milliseconds = self.trace.milliseconds(start, end)
        return None if milliseconds is None else milliseconds / 1000


def tell(frozen: JSON, trace: Trace) -> None:
    """Runs in the transaction that keeps the books, and tells when it is committed: what is rolled back
    is not counted. An error in here is logged, and is not the call's."""

    def committed() -> None:
        _tell(frozen, trace)

    transaction.on_commit(committed, robust=True)  # which wants a function with a name


def forget() -> None:
    """The tenants that this process knows."""
    _slugs.clear()


def _tell(frozen: JSON, trace: Trace) -> None:
    embedding = frozen["kind"] == AuditRecord.Kind.EMBEDDING
    task = Task.EMBED if embedding else Task(frozen["options"]["task"])
    ended = Ended(frozen["id"], _slug(frozen["caller"]["tenant_id"]), task.value, frozen, trace)
    metrics.count(ended)
    spans.draw(ended)
    logger.info("model call", extra={"fields": _fields(ended)})


def _fields(ended: Ended) -> dict[str, Any]:
    trace = ended.trace
    return {
        "call": ended.call_id,
        "tenant": ended.tenant,
        "task": ended.task,
        "provider": trace.provider,
        "model": trace.model,
        "outcome": ended.outcome,
        "error": trace.error_code,
        "tries": [f"{each['model']}:{each['error']}" for each in metrics.failed_tries(trace)],
        "input_tokens": trace.usage.input_tokens,
        "output_tokens": trace.usage.output_tokens,
        "cost_usd": str(trace.cost.quantize(Decimal("1E-6"))),
        **timings(trace),
    }


def _slug(tenant_id: int) -> str:
    if tenant_id not in _slugs:
        _slugs[tenant_id] = Tenant.objects.values_list("slug", flat=True).get(pk=tenant_id)
    return _slugs[tenant_id]
