"""A batch watched from a command: it also does what a worker would, so that it ends without one."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator

from django.utils import timezone

from accounts.tenancy import tenant_scope
from gateway.batch import advancing, leases, progress
from gateway.batch.progress import Counts
from gateway.models import Batch, BatchPart, BatchState

PAUSE = 2.0  # seconds
OVER = (BatchState.COMPLETED, BatchState.CANCELLED, BatchState.FAILED)


def watch(tenant_id: int, batch_id: uuid.UUID) -> Iterator[Counts]:
    """How far the batch is, each time that it has come further, until it has ended. Raises
    `Batch.DoesNotExist`."""
    before = None
    while True:
        with tenant_scope(tenant_id):
            state = Batch.objects.get(pk=batch_id).state
            found = progress.counts([batch_id])[batch_id]
            due = BatchPart.objects.filter(leases.due(timezone.now()), batch_id=batch_id)
            parts = list(due.values_list("pk", flat=True))
        if found != before:
            yield found
            before = found
        if state in OVER:
            return
        for part in parts:
            advancing.advance(tenant_id, part)
        if not parts:
            time.sleep(PAUSE)
