"""How an item ends: its result, its cost and its audit record in one transaction, once.

Does not catch: a result that comes after its reservation ran out, which is renewed while anybody looks
at the batch: only workers that stand still for days get there. It is kept, and its cost is not booked.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field

from accounts.tenancy import tenant_scope
from gateway.audit import writer
from gateway.batch import kept as keeping
from gateway.client import close_books
from gateway.errors import BatchCancelled, BatchExpired, Erased, GatewayError
from gateway.models import OPEN_ITEMS, AuditRecord, BatchItem, ItemState
from gateway.redaction.texts import changed
from gateway.types import JSON, Call, Caller, Classification, FinishReason, Trace


@dataclass(frozen=True)
class End:
    """`frozen` and `trace` are for the audit, without the values that were taken out; `said` is for
    whoever asked, with them, and None where there is nothing."""

    state: ItemState
    frozen: JSON = field(repr=False)
    trace: Trace = field(repr=False)
    said: JSON | None = field(default=None, repr=False)


def unanswered(call: Call, error: GatewayError, trace: Trace) -> End:
    """The end of a call that has no answer; `call` as the audit keeps it."""
    state = ItemState.FAILED
    if isinstance(error, BatchExpired):
        state = ItemState.EXPIRED
    elif isinstance(error, BatchCancelled):
        state = ItemState.CANCELLED
    trace.reason = FinishReason.CANCELLED if state is ItemState.CANCELLED else FinishReason.ERROR
    trace.error_code = error.code
    return End(state, writer.frozen_completion(call), trace)


def outcome(trace: Trace) -> tuple[ItemState, JSON | None]:
    """How a call that ran came out, and what it said: None where it failed."""
    if trace.error_code:
        return ItemState.FAILED, None
    return ItemState.SUCCEEDED, {
        "text": trace.text,
        "finish_reason": trace.reason,
        "tool_calls": trace.tool_calls,
        "model_version": trace.model_version,
        "input_tokens": trace.usage.input_tokens,
        "output_tokens": trace.usage.output_tokens,
    }


def end(tenant_id: int, item_id: uuid.UUID, found: End) -> bool:
    """True the first time; a second time nothing happens."""
    with tenant_scope(tenant_id):
        item = BatchItem.objects.select_for_update().filter(pk=item_id, state__in=OPEN_ITEMS).first()
        if item is None:
            return False
        if not AuditRecord.objects.filter(pk=item.call).exists():
            close_books({**found.frozen, "id": str(item.call)}, found.trace)
        record(item, found.state, found.trace, found.said)
        return True


def record(item: BatchItem, state: ItemState, trace: Trace, said: JSON | None) -> None:
    """Writes the end into the row. Runs in the tenant's scope."""
    item.state, item.error_code, item.cost = state, trace.error_code[:40], trace.cost
    item.request = b""
    try:
        item.result = b"" if said is None else keeping.sealed_result(item, said)
    except Erased as error:
        item.state, item.error_code = ItemState.FAILED, error.code
    item.save(update_fields=["state", "error_code", "cost", "request", "result"])


def without_texts(call: Call) -> Call:
    """For a reservation, which is no place for anybody's words."""
    return changed(call, lambda _text: "")


def nobodys(tenant_id: int, item_id: uuid.UUID) -> Call:
    """Stands for a call whose person was erased: nothing of it is left but that it was made."""
    return Call(Caller(tenant_id, purpose="batch", classification=Classification.PERSONAL), (), id=item_id)
