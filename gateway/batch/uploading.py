"""From rows to a batch at the provider. Before anything is sent it is on the record that it may have been,
so that whoever comes after a crash looks there first and submits nothing twice."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from django.utils import timezone

from accounts.tenancy import in_database, in_tenant
from gateway import connections
from gateway.batch import kept as keeping
from gateway.batch import leases, settling
from gateway.batch.kept import Kept
from gateway.batch.leases import Lease
from gateway.batch.pacing import FIRST
from gateway.batch.preparing import still_allowed
from gateway.errors import (
    ContentRefused,
    ContextTooLong,
    GatewayError,
    InvalidCredentials,
    InvalidRequest,
    ProviderTimeout,
    QuotaExhausted,
)
from gateway.fitting import fitted
from gateway.models import OPEN_ITEMS, BatchItem, PartState
from gateway.profiles import ModelProfile
from gateway.providers.batching.base import Upload
from gateway.types import Trace

T = TypeVar("T")
PATIENCE = 900.0  # seconds for an upload
UNDECIDED = timedelta(minutes=2)
READ_AT_ONCE = 500
REFUSALS = (InvalidRequest, InvalidCredentials, QuotaExhausted, ContextTooLong, ContentRefused)


@dataclass(frozen=True)
class Opened:
    """An item with what it keeps, or why that cannot be read."""

    item: BatchItem
    kept: Kept | None
    error: GatewayError | None = None


async def upload(lease: Lease, profile: ModelProfile) -> bool:
    """Submits what is open, or takes over what a dead worker submitted; False where nothing is open.
    Raises `GatewayError`; the attempt may have come through all the same."""
    if lease.part.state == PartState.SUBMITTING:
        await _take_over(lease, profile)
        return True
    lines = await _lines(lease, profile)
    if lines:
        await _submit(lease, profile, lines)
    return bool(lines)


async def end_rest(lease: Lease, profile: ModelProfile | None, error: GatewayError) -> bool:
    """Ends all that is open without an answer; False where the lease was lost, and nothing done."""
    while await in_tenant(lease.tenant_id, leases.hold, lease):
        found = await in_tenant(lease.tenant_id, open_items, lease.part.pk, -1)
        if not found:
            return True
        for each in found:
            await end_unanswered(lease.tenant_id, each, each.error or error, profile)
    return False


def open_items(part_id: object, after: int) -> list[Opened]:
    """Some that have not ended, in order. Runs in the tenant's scope."""
    items = BatchItem.objects.filter(part_id=part_id, state__in=OPEN_ITEMS, number__gt=after).order_by("number")
    found = []
    for item in items[:READ_AT_ONCE]:
        try:
            found.append(Opened(item, keeping.opened(item)))
        except GatewayError as error:
            found.append(Opened(item, None, error))
    return found


async def end_unanswered(tenant_id: int, each: Opened, error: GatewayError, model: ModelProfile | None) -> None:
    """Ends one item without an answer."""
    call, trace = settling.nobodys(tenant_id, each.item.pk), Trace()
    if model is not None:
        trace.provider, trace.model = model.provider, model.id
    if each.kept is not None:
        redaction = each.kept.redaction()
        call, trace.redaction, trace.policy_version = redaction.recorded, redaction.counts, each.kept.policy
    await in_database(settling.end, tenant_id, each.item.pk, settling.unanswered(call, error, trace))


async def _take_over(lease: Lease, profile: ModelProfile) -> None:
    """What was submitted is exactly what is open. What was not waits again, and is looked through again."""
    ids = await in_tenant(lease.tenant_id, _open_ids, lease.part.pk)
    begun = lease.part.begun_at or timezone.now()
    asked = Upload(str(lease.part.pk), begun, dict.fromkeys(ids, b""))
    found = await _in_time((await connections.keyed_batch_provider(profile)).find(asked))
    if found.undecided:
        await in_tenant(lease.tenant_id, leases.put_back, lease, timezone.now() + UNDECIDED)
    elif found.remote_id:
        await _processing(lease, found.remote_id)
    else:
        await in_tenant(lease.tenant_id, leases.put_back, lease, timezone.now(), state=PartState.WAITING)


async def _submit(lease: Lease, profile: ModelProfile, lines: dict[str, bytes]) -> None:
    """A refusal ends the items: the provider took nothing."""
    asked = Upload(str(lease.part.pk), timezone.now(), lines)
    begun = {"state": PartState.SUBMITTING, "begun_at": asked.begun}
    if not await in_tenant(lease.tenant_id, leases.change, lease, **begun):
        return
    try:
        remote_id = await _in_time((await connections.keyed_batch_provider(profile)).submit(asked))
    except REFUSALS as error:
        if await end_rest(lease, profile, error):
            done = {"state": PartState.ENDED, "last_error": error.code}
            await in_tenant(lease.tenant_id, leases.put_back, lease, timezone.now(), **done)
        return
    await _processing(lease, remote_id)


async def _in_time(work: Awaitable[T]) -> T:
    try:
        async with asyncio.timeout(PATIENCE):
            return await work
    except TimeoutError:
        raise ProviderTimeout(phase="total") from None


async def _processing(lease: Lease, remote_id: str) -> None:
    done = {"state": PartState.PROCESSING, "remote_id": remote_id, "troubles": 0, "last_error": ""}
    await in_tenant(lease.tenant_id, leases.put_back, lease, timezone.now() + FIRST, **done)


def _open_ids(part_id: object) -> list[str]:
    items = BatchItem.objects.filter(part_id=part_id, state__in=OPEN_ITEMS)
    return [str(pk) for pk in items.values_list("pk", flat=True)]


async def _lines(lease: Lease, profile: ModelProfile) -> dict[str, bytes]:
    """What may still be sent; what may not has ended. Nothing where the lease was lost."""
    lines: dict[str, bytes] = {}
    after = -1
    while found := await in_tenant(lease.tenant_id, open_items, lease.part.pk, after):
        if not await in_tenant(lease.tenant_id, leases.hold, lease):
            return {}
        after = found[-1].item.number
        for each in found:
            try:
                if each.kept is None:
                    raise each.error or GatewayError()
                await still_allowed(each.kept, profile)
                lines[str(each.item.pk)] = connections.batch_provider(profile).line(fitted(each.kept.request, profile))
            except GatewayError as error:
                await end_unanswered(lease.tenant_id, each, error, profile)
    return lines
