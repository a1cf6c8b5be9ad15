"""Drafts in the background. Tasks take an id and may run twice."""

from __future__ import annotations

from datetime import timedelta

from celery import shared_task
from django.db.models import Q
from django.utils import timezone

from accounts.models import Tenant
from accounts.tenancy import in_tenant, tenant_scope
from assistant.events import Error, Final
from gateway.connections import run_in_background
from tickets.drafting import take, write
from tickets.models import Draft, DraftState

GRACE = timedelta(seconds=10)  # in which the queue itself brings the message


@shared_task(name="tickets.write_draft")  # type: ignore[untyped-decorator]
def write_draft(tenant_id: int, draft_id: str) -> str:
    """The state in which the draft ends, or `skipped` when it is not to be had."""
    if not Tenant.objects.filter(pk=tenant_id, suspended_at=None).exists():
        return "skipped"
    return run_in_background(_write(tenant_id, draft_id))


async def _write(tenant_id: int, draft_id: str) -> str:
    lease = await in_tenant(tenant_id, take, draft_id)
    state = "skipped"
    if lease is not None:
        async for event in write(lease):
            if isinstance(event, Final | Error):
                state = str(event.answer["state"])
    return state


@shared_task(name="tickets.sweep")  # type: ignore[untyped-decorator]
def sweep() -> None:
    """Queues every draft that waits, or whose writer died with the lease (R2, R3)."""
    now = timezone.now()
    stale = Q(state=DraftState.WAITING, created_at__lt=now - GRACE) | Q(state=DraftState.WRITING, lease_until__lt=now)
    for tenant_id in Tenant.objects.filter(suspended_at=None).values_list("pk", flat=True):
        with tenant_scope(tenant_id):
            waiting = list(Draft.objects.filter(stale).order_by("created_at").values_list("pk", flat=True)[:1000])
        for draft_id in waiting:
            write_draft.delay(tenant_id, str(draft_id))
