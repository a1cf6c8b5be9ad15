"""Housekeeping that the worker does by the clock."""

from __future__ import annotations

from uuid import UUID

from celery import shared_task
from django.utils import timezone

from accounts.models import Tenant
from gateway import alerts, budgets
from gateway.audit import retention, timestamps
from gateway.batch import advancing
from gateway.cache import store as cache
from gateway.door import replies
from gateway.limits import store


@shared_task(name="gateway.sweep")  # type: ignore[untyped-decorator]
def sweep() -> int:
    """Ends the calls whose process died: money back, and a record that says so. Lets kept answers go that
    are too old, and has batches looked at that are due. May run twice."""
    store.forget_full()
    cache.sweep(timezone.now())
    ended = budgets.sweep(timezone.now())
    advancing.sweep(timezone.now())  # last: it needs the broker
    return ended


@shared_task(name="gateway.expire")  # type: ignore[untyped-decorator]
def expire() -> int:
    """Lets go of the audit texts that are older than their tenant's policy, and of answers that are kept
    to be said again, and of batches that ended long ago. May run twice."""
    now = timezone.now()
    return retention.expire_all(now) + replies.expire_all(now) + advancing.expire_all(now)


@shared_task(name="gateway.advance_batch")  # type: ignore[untyped-decorator]
def advance_batch(tenant_id: int, part_id: str) -> str:
    """One step of a part of a batch. May run twice."""
    return advancing.advance(tenant_id, UUID(part_id))


@shared_task(name="gateway.timestamp")  # type: ignore[untyped-decorator]
def timestamp() -> int:
    """Has the heads of the chains confirmed, where an authority is configured; says how many. May
    run twice. Raises `TimestampFailed`, and the next run makes up for it."""
    if not timestamps.wanted():
        return 0
    return sum(timestamps.stamp(tenant_id) is not None for tenant_id in Tenant.objects.values_list("pk", flat=True))


@shared_task(name="gateway.send_alerts")  # type: ignore[untyped-decorator]
def send_alerts() -> int:
    """Tells admins of budgets that reached a threshold. May run twice."""
    return alerts.send_due()
