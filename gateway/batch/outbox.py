"""What has the worker look at parts, and what ends a batch whose parts have ended."""

from __future__ import annotations

import uuid
from collections.abc import Iterable

from celery import current_app
from django.utils import timezone

from gateway.models import Batch, BatchState, PartState


def queue(tenant_id: int, part_ids: Iterable[uuid.UUID]) -> None:
    """By the task's name: tasks import what calls this. A message that is lost is made up for by the sweep."""
    for part_id in part_ids:
        current_app.send_task("gateway.advance_batch", (tenant_id, str(part_id)), retry=False)


def close_batch(batch_id: uuid.UUID) -> None:
    """Ends a batch whose parts have all ended. Runs in the tenant's scope."""
    batch = Batch.objects.select_for_update().filter(pk=batch_id, state=BatchState.RUNNING).first()
    if batch is None or batch.parts.exclude(state=PartState.ENDED).exists():
        return
    batch.state = BatchState.CANCELLED if batch.cancelled_at else BatchState.COMPLETED
    batch.ended_at = timezone.now()
    batch.save(update_fields=["state", "ended_at"])
