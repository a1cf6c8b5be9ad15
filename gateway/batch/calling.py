"""Items whose model has no batch API: ordinary calls, one after the other, behind those of people.

An item's result is written in the transaction that books its call, so a worker that is killed leaves
either both or none. A call that it was killed in is made anew, with an id of its own: the first one is
swept as every call whose process died.
"""

from __future__ import annotations

import dataclasses
import time
import uuid

from django.utils import timezone

from accounts.tenancy import in_tenant
from gateway.batch import leases, settling
from gateway.batch.leases import Lease
from gateway.batch.uploading import Opened, end_rest, end_unanswered, open_items
from gateway.client import Stream
from gateway.errors import BatchCancelled, GatewayError
from gateway.models import BatchItem, ItemState, PartState
from gateway.types import Call, Trace

TURN = 300.0  # seconds, after which another part has its turn on this worker


async def call_each(lease: Lease) -> None:
    end = time.monotonic() + TURN
    while found := await in_tenant(lease.tenant_id, open_items, lease.part.pk, -1):
        for each in found:
            if time.monotonic() >= end:
                await in_tenant(lease.tenant_id, leases.put_back, lease, timezone.now())
                return
            if not await in_tenant(lease.tenant_id, leases.may_go_on, lease):
                await _stop(lease)
                return
            await _call(lease, each)
    await in_tenant(lease.tenant_id, leases.put_back, lease, timezone.now(), state=PartState.ENDED)


async def _call(lease: Lease, each: Opened) -> None:
    if each.kept is None:
        await end_unanswered(lease.tenant_id, each, each.error or GatewayError(), None)
        return
    call = each.kept.call
    if each.item.state == ItemState.CALLING:
        call = dataclasses.replace(call, id=uuid.uuid4())
    await in_tenant(lease.tenant_id, _begun, each.item.pk, call.id)
    try:
        async with Stream(call, beside=lambda trace: _write(each.item.pk, call, trace)) as events:
            async for _event in events:
                pass
    except GatewayError:
        return  # it stands in the row


def _begun(item_id: uuid.UUID, call_id: uuid.UUID) -> None:
    BatchItem.objects.filter(pk=item_id).update(state=ItemState.CALLING, call=call_id)


def _write(item_id: uuid.UUID, call: Call, trace: Trace) -> None:
    """Within the transaction that books the call."""
    item = BatchItem.objects.select_for_update().filter(pk=item_id, state=ItemState.CALLING, call=call.id).first()
    if item is None:
        return
    state, said = settling.outcome(trace)
    settling.record(item, state, trace, said)


async def _stop(lease: Lease) -> None:
    """The batch was cancelled; or the lease was lost, and then this changes nothing."""
    if await end_rest(lease, None, BatchCancelled("the batch was cancelled")):
        await in_tenant(lease.tenant_id, leases.put_back, lease, timezone.now(), state=PartState.ENDED)
