"""`submit_batch`: the calls become rows, the money is held for each of them, and the worker does the rest.

All or nothing: where a budget does not hold the whole, nothing is sent and what was held is given back.
A process that dies meanwhile leaves a batch in preparation, which the sweep gives up; whoever submitted
it has no id of it, and may submit it again.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from accounts.tenancy import tenant_scope
from gateway import budgets
from gateway.audit import writer
from gateway.audit.subjects import Person
from gateway.batch import kept as keeping
from gateway.batch import settling
from gateway.batch.outbox import close_batch, queue
from gateway.batch.pacing import HOLD
from gateway.batch.preparing import Prepared, prepared
from gateway.batch.splitting import uploads
from gateway.budgets import Wish
from gateway.connections import run_in_background
from gateway.errors import BudgetExceeded, GatewayError
from gateway.limits.wrappers import BATCH
from gateway.models import Batch, BatchItem, BatchPart, BatchState
from gateway.profiles import batch_terms
from gateway.types import Call, Trace

AT_ONCE = 100  # items whose money is held in one transaction, so that live calls are not kept waiting
LEASE = timedelta(minutes=15)  # for each so many


def submit_batch(calls: Sequence[Call], *, label: str = "", user_id: int | None = None) -> uuid.UUID:
    """Hands the calls over; the batch's id. They are of one tenant, each with an id of its own, and for a
    purpose that nobody waits for. A call that may go nowhere becomes an item that failed, with its code.
    Not from within a transaction, nor on the gateway's own event loop. Raises `BudgetExceeded`."""
    tenant_id = _checked(calls)
    found = [run_in_background(prepared(call)) for call in calls]
    batch_id = _write(tenant_id, found, label=label, user_id=user_id)
    try:
        for start in range(0, len(found), AT_ONCE):
            _hold(batch_id, found[start : start + AT_ONCE])
    except BudgetExceeded as error:
        give_up(tenant_id, batch_id, error)
        raise
    for each in found:
        if each.error is not None:
            call = settling.without_texts(each.kept.call) if each.error.code == "redaction_failed" else each.kept.call
            trace = Trace(policy_version=each.kept.policy)
            settling.end(tenant_id, each.kept.call.id, settling.unanswered(call, each.error, trace))
    _begin(tenant_id, batch_id)
    return batch_id


def give_up(tenant_id: int, batch_id: uuid.UUID, error: GatewayError | None = None) -> None:
    """Ends a batch that never began: money back, and a record for each of its calls."""
    code = error.code if error else "abandoned"
    with tenant_scope(tenant_id):
        items = list(BatchItem.objects.filter(batch_id=batch_id).order_by("number"))
    for item in items:
        trace = Trace()
        try:
            with tenant_scope(tenant_id):
                call = keeping.opened(item).redaction().recorded
        except GatewayError:
            call = settling.nobodys(tenant_id, item.pk)
        found = settling.unanswered(call, error or GatewayError(), trace)
        found.trace.error_code = code
        settling.end(tenant_id, item.pk, found)
    with tenant_scope(tenant_id):
        preparing = Batch.objects.filter(pk=batch_id, state=BatchState.PREPARING)
        preparing.update(state=BatchState.FAILED, error_code=code, ended_at=timezone.now())


def _checked(calls: Sequence[Call]) -> int:
    """Raises `ValueError` for what is a mistake in the code that calls."""
    tenants, ids = {call.caller.tenant_id for call in calls}, {call.id for call in calls}
    if len(tenants) != 1 or len(ids) != len(calls):
        raise ValueError("a batch is of one tenant, and each call has an id of its own")
    if purposes := {call.caller.purpose for call in calls} - BATCH:
        raise ValueError(f"people wait for calls of these purposes: {', '.join(sorted(purposes))}")
    return tenants.pop()


def _write(tenant_id: int, found: Sequence[Prepared], *, label: str, user_id: int | None) -> uuid.UUID:
    now = timezone.now()
    batch = Batch(pk=uuid.uuid4(), tenant_id=tenant_id, label=label[:120], user_id=user_id, created_at=now)
    batch.lease_until = now + LEASE
    with tenant_scope(tenant_id):
        batch.save(force_insert=True)
        parts = _parts(batch, found)
        people: dict[int | None, Person] = {}
        items = []
        for number, each in enumerate(found):
            subject = keeping.subject_of(each.kept.call)
            owner = people[subject] = people.get(subject) or keeping.person(tenant_id, subject)
            pk = each.kept.call.id
            item = BatchItem(pk=pk, call=pk, tenant_id=tenant_id, batch=batch, number=number, subject=owner.id)
            item.part = parts.get(number)
            item.request = keeping.sealed_request(owner, pk, each.kept)
            items.append(item)
        BatchItem.objects.bulk_create(items, batch_size=AT_ONCE)
    return batch.pk


def _parts(batch: Batch, found: Sequence[Prepared]) -> dict[int, BatchPart]:
    """The part of each item by its number: for each model as many as its uploads need, and one for all
    that are called on their own."""
    by_model: dict[str, list[int]] = defaultdict(list)
    for number, each in enumerate(found):
        if each.error is None:
            by_model[each.profile.id if each.profile else ""].append(number)
    parts: dict[int, BatchPart] = {}
    for model, numbers in by_model.items():
        profile = found[numbers[0]].profile
        terms = batch_terms(profile.provider) if profile else None
        split = uploads([found[n].size for n in numbers], terms) if terms else [0] * len(numbers)
        made = [_part(batch, model) for _ in range(max(split) + 1)]
        BatchPart.objects.bulk_create(made)
        parts |= {number: made[upload] for number, upload in zip(numbers, split, strict=True)}
    return parts


def _part(batch: Batch, model: str) -> BatchPart:
    return BatchPart(pk=uuid.uuid4(), tenant_id=batch.tenant_id, batch=batch, model=model, due_at=batch.created_at)


def _hold(batch_id: uuid.UUID, found: Sequence[Prepared]) -> None:
    """Holds the money of some items. Raises `BudgetExceeded`, and then holds nothing more."""
    wishes = [_wish(each) for each in found if each.amount]
    tenant_id = found[0].kept.call.caller.tenant_id
    refused = False
    with tenant_scope(tenant_id):
        point = transaction.savepoint()
        for wish in wishes:
            if budgets.hold(wish, wish.least).amount is None:
                refused = True
                transaction.savepoint_rollback(point)
                break
        Batch.objects.filter(pk=batch_id).update(lease_until=timezone.now() + LEASE)
    if refused:  # for good, unless money came back meanwhile; outside, so that the alert of it stays
        for wish in wishes:
            budgets.hold_or_refuse(wish)


def _wish(each: Prepared) -> Wish:
    frozen = writer.frozen_completion(settling.without_texts(each.kept.request))
    amount, seconds = each.amount, HOLD.total_seconds()
    return Wish(each.kept.call.caller, each.kept.call.id, frozen, amount, amount, amount, seconds)


def _begin(tenant_id: int, batch_id: uuid.UUID) -> None:
    with tenant_scope(tenant_id):
        preparing = Batch.objects.filter(pk=batch_id, state=BatchState.PREPARING)
        if preparing.update(state=BatchState.RUNNING, lease_until=None):
            parts = list(BatchPart.objects.filter(batch_id=batch_id).values_list("pk", flat=True))
            transaction.on_commit(lambda: queue(tenant_id, parts), robust=True)
        close_batch(batch_id)
