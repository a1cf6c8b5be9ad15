"""How far batches are, and what came of them."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.db import transaction
from django.db.models import Count, Sum
from django.utils import timezone

from accounts.tenancy import tenant_scope
from gateway.batch import kept as keeping
from gateway.batch.outbox import queue
from gateway.errors import Erased
from gateway.models import OPEN_ITEMS, Batch, BatchItem, BatchPart, BatchState, ItemState, PartState
from gateway.types import JSON

READ_AT_ONCE = 500


@dataclass(frozen=True)
class Counts:
    """Items by state, and what those that ended did cost."""

    by_state: dict[str, int]
    cost: Decimal

    @property
    def total(self) -> int:
        return sum(self.by_state.values())

    @property
    def ended(self) -> int:
        return self.total - sum(self.by_state.get(state, 0) for state in OPEN_ITEMS)


def counts(batch_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, Counts]:
    """Of several batches in one query. Runs in a scope that sees them."""
    found = {batch_id: Counts({}, Decimal(0)) for batch_id in batch_ids}
    rows = BatchItem.objects.filter(batch_id__in=batch_ids).order_by().values("batch_id", "state")
    for row in rows.annotate(count=Count("pk"), cost=Sum("cost")):
        before = found[row["batch_id"]]
        states = {**before.by_state, row["state"]: row["count"]}
        found[row["batch_id"]] = Counts(states, before.cost + row["cost"])
    return found


def results(tenant_id: int, batch_id: uuid.UUID) -> Iterator[JSON]:
    """Every item in the order of submission: `id`, `state`, `error_code`, `cost`, and of one that succeeded
    `text`, `finish_reason`, `tool_calls`, `model_version` and tokens. Empty for a batch that is not there."""
    after = -1
    while True:
        with tenant_scope(tenant_id):
            items = BatchItem.objects.filter(batch_id=batch_id, number__gt=after).order_by("number")
            rows = [_told(item) for item in items[:READ_AT_ONCE]]
        yield from rows
        if not rows:
            return
        after = rows[-1]["number"]


def cancel(batch: Batch) -> bool:
    """Has what is not done yet stopped; what a provider has finished is still booked. Whether there was
    anything to stop. Runs in the tenant's scope; who may do it is the caller's to know."""
    running = Batch.objects.filter(pk=batch.pk, state=BatchState.RUNNING, cancelled_at=None)
    if not running.update(cancelled_at=timezone.now()):
        return False
    parts = BatchPart.objects.filter(batch_id=batch.pk).exclude(state=PartState.ENDED)
    parts.update(due_at=timezone.now())
    ids = list(parts.values_list("pk", flat=True))
    transaction.on_commit(lambda: queue(batch.tenant_id, ids), robust=True)
    return True


def _told(item: BatchItem) -> JSON:
    told: JSON = {"id": str(item.pk), "number": item.number, "state": item.state, "error_code": item.error_code}
    told["cost"] = str(item.cost)
    if item.state == ItemState.SUCCEEDED:
        try:
            told |= keeping.opened_result(item)
        except Erased as error:
            told |= {"state": ItemState.FAILED.value, "error_code": error.code}
    return told
