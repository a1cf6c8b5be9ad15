"""One step of one part, by its state. May be done twice, by two workers, and be killed anywhere."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

from django.utils import timezone

from accounts.models import Tenant
from accounts.tenancy import in_tenant, tenant_scope
from gateway.batch import collecting, leases, submitting
from gateway.batch.calling import call_each
from gateway.batch.leases import Lease
from gateway.batch.outbox import close_batch, queue
from gateway.batch.pacing import GIVEN_UP, after_trouble
from gateway.batch.uploading import end_rest, upload
from gateway.connections import run_in_background
from gateway.errors import BatchCancelled, GatewayError, ProviderError
from gateway.models import AuditPolicy, Batch, BatchPart, BatchState, PartState
from gateway.profiles import ModelProfile
from gateway.routing.catalogue import configured_profile

SWEPT_AT_ONCE = 500
KEPT = timedelta(days=30)  # for which results can be fetched


def advance(tenant_id: int, part_id: uuid.UUID) -> str:
    """The state in which the part is left, or `skipped` when there is nothing to do or somebody else
    is at it."""
    if not Tenant.objects.filter(pk=tenant_id, suspended_at=None).exists():
        return "skipped"
    return run_in_background(_advance(tenant_id, part_id))


def sweep(now: datetime) -> None:
    """Queues every part that is due, or whose worker died, and gives up what never came to begin."""
    for tenant_id in Tenant.objects.filter(suspended_at=None).values_list("pk", flat=True):
        with tenant_scope(tenant_id):
            parts = list(BatchPart.objects.filter(leases.due(now)).values_list("pk", flat=True)[:SWEPT_AT_ONCE])
            dead = Batch.objects.filter(state=BatchState.PREPARING, lease_until__lt=now)
            abandoned = list(dead.values_list("pk", flat=True))
            open_batches = list(Batch.objects.filter(state=BatchState.RUNNING).values_list("pk", flat=True))
            for batch_id in open_batches:
                close_batch(batch_id)
        for batch_id in abandoned:
            submitting.give_up(tenant_id, batch_id)
        queue(tenant_id, parts)


def expire_all(now: datetime) -> int:
    """Lets go of batches that ended long ago, or longer ago than the tenant keeps texts, in all tenants;
    says how many rows."""
    count = 0
    for tenant_id in Tenant.objects.values_list("pk", flat=True):
        with tenant_scope(tenant_id):
            days = AuditPolicy.objects.filter(tenant_id=tenant_id).values_list("days", flat=True).first()
            kept = KEPT if days is None else min(KEPT, timedelta(days=days))
            count += Batch.objects.filter(ended_at__lt=now - kept).delete()[0]
    return count


async def _advance(tenant_id: int, part_id: uuid.UUID) -> str:
    lease = await in_tenant(tenant_id, leases.take, part_id)
    if lease is None:
        return "skipped"
    profile = None
    try:
        if lease.part.model:
            profile = configured_profile(lease.part.model)
        await in_tenant(tenant_id, leases.keep_money, part_id, timezone.now())
        await _step(lease, profile)
    except GatewayError as error:
        await _trouble(lease, profile, error)
    if lease.part.state == PartState.ENDED:
        await in_tenant(tenant_id, close_batch, lease.part.batch_id)
    return str(lease.part.state)


async def _step(lease: Lease, profile: ModelProfile | None) -> None:
    if profile is None:
        await call_each(lease)
    elif lease.part.state == PartState.PROCESSING:
        await collecting.look(lease, profile)
    elif lease.part.state == PartState.WAITING and lease.cancelled:
        await _end(lease, profile, BatchCancelled("the batch was cancelled"))
    elif not await upload(lease, profile):
        await in_tenant(lease.tenant_id, leases.put_back, lease, timezone.now(), state=PartState.ENDED)


async def _trouble(lease: Lease, profile: ModelProfile | None, error: GatewayError) -> None:
    """Later again, for as long as there is hope."""
    now, part = timezone.now(), lease.part
    if now - part.batch.created_at > GIVEN_UP:
        await _end(lease, profile, error)
        return
    wait = error.retry_after if isinstance(error, ProviderError) else None
    due, troubles = now + after_trouble(part.troubles + 1, wait), part.troubles + 1
    await in_tenant(lease.tenant_id, leases.put_back, lease, due, troubles=troubles, last_error=error.code)


async def _end(lease: Lease, profile: ModelProfile | None, error: GatewayError) -> None:
    """Ends the part, and what is open of it without an answer."""
    if await end_rest(lease, profile, error):
        done = {"state": PartState.ENDED, "last_error": error.code}
        await in_tenant(lease.tenant_id, leases.put_back, lease, timezone.now(), **done)
