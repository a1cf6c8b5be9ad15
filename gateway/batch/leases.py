"""Who works on a part: one worker at a time, until its lease is over. Every write of a worker's is made
only while it holds the part, so that one which was thought dead changes nothing. All of it runs in the
tenant's scope."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q
from django.utils import timezone

from gateway.batch.pacing import HOLD
from gateway.models import Batch, BatchItem, BatchPart, BatchState, PartState, Reservation

LEASE = timedelta(minutes=30)  # longer than any request to a provider may take (`uploading.PATIENCE`)


@dataclass(frozen=True)
class Lease:
    """A part as it was when it was taken. `cancelled` says that its batch is to stop."""

    part: BatchPart
    cancelled: bool

    @property
    def tenant_id(self) -> int:
        return self.part.tenant_id


def due(now: datetime) -> Q:
    """The parts that there is something to do for, and that nobody holds."""
    free = Q(lease_until=None) | Q(lease_until__lt=now)
    return free & Q(due_at__lte=now, batch__state=BatchState.RUNNING) & ~Q(state=PartState.ENDED)


def take(part_id: uuid.UUID) -> Lease | None:
    now = timezone.now()
    waiting = BatchPart.objects.select_for_update(skip_locked=True, of=("self",)).filter(due(now), pk=part_id)
    part = waiting.select_related("batch").first()
    if part is None:
        return None
    part.holder, part.lease_until = uuid.uuid4(), now + LEASE
    part.save(update_fields=["holder", "lease_until"])
    return Lease(part, part.batch.cancelled_at is not None)


def change(lease: Lease, **fields: Any) -> bool:
    """Whether the part was still ours to change."""
    ours = BatchPart.objects.filter(pk=lease.part.pk, holder=lease.part.holder)
    if not ours.update(**fields):
        return False
    for name, value in fields.items():
        setattr(lease.part, name, value)
    return True


def hold(lease: Lease) -> bool:
    """Renews the lease; whether the part is still ours."""
    return change(lease, lease_until=timezone.now() + LEASE)


def may_go_on(lease: Lease) -> bool:
    """The same, and whether nobody cancelled the batch meanwhile."""
    return hold(lease) and Batch.objects.filter(pk=lease.part.batch_id, cancelled_at=None).exists()


def put_back(lease: Lease, due_at: datetime, **fields: Any) -> bool:
    """Ends the lease; the part is due again at that time."""
    return change(lease, due_at=due_at, holder=None, lease_until=None, **fields)


def keep_money(part_id: uuid.UUID, now: datetime) -> None:
    """Renews the reservations of what is still open, so that they are not swept while a provider works."""
    items = BatchItem.objects.filter(part_id=part_id).values("pk")
    Reservation.objects.filter(pk__in=items, expires_at__lt=now + HOLD / 2).update(expires_at=now + HOLD)
