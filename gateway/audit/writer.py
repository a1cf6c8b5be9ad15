"""Appends to the audit log: one record per call, whatever became of the call.

The tenant's head row is the queue: the statement that raises its number also locks it until the
commit, so writers come one after the other and the chain cannot fork (A3).
"""

from __future__ import annotations

import dataclasses
import secrets
from functools import partial
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from gateway.audit import anchor
from gateway.audit.chain import COST_PLACES, canonical, clean, content_digest, inputs_digest, record_mac, tenant_key
from gateway.conf import configured
from gateway.models import AuditContent, AuditHead, AuditRecord
from gateway.types import JSON, Call, Caller, Classification, EmbeddingCall, Task, Trace

NEXT = """
INSERT INTO gateway_audithead AS head (tenant_id, sequence, mac) VALUES (%s, 1, '')
ON CONFLICT (tenant_id) DO UPDATE SET sequence = head.sequence + 1
RETURNING sequence, mac
"""
MAX_INTEGER = 2**31 - 1


def append(tenant_id: int, frozen: JSON, trace: Trace) -> AuditRecord:
    """Appends the record of a frozen call and what became of it. Runs in the tenant's scope."""
    caller = Caller(**{**frozen["caller"], "classification": Classification(frozen["caller"]["classification"])})
    record = _record(tenant_id, caller, frozen["id"], trace)
    if frozen["kind"] == AuditRecord.Kind.EMBEDDING:
        return _append_embedding(record, frozen)
    return _append_completion(record, frozen, trace)


def frozen_completion(call: Call) -> JSON:
    """The call as JSON: enough to replay it, and to audit it when its process has died."""
    return {
        "kind": AuditRecord.Kind.COMPLETION.value,
        "id": str(call.id),
        "caller": dataclasses.asdict(call.caller),
        "question": call.question,
        "messages": [dataclasses.asdict(message) for message in call.messages],
        "options": dataclasses.asdict(call.options),
        "sources": [dataclasses.asdict(source) for source in call.sources],
        "prompt_version": call.prompt_version,
    }


def frozen_embedding(call: EmbeddingCall) -> JSON:
    """The same for an embedding: how many texts and their digest, not the texts."""
    return {
        "kind": AuditRecord.Kind.EMBEDDING.value,
        "id": str(call.id),
        "caller": dataclasses.asdict(call.caller),
        "texts": len(call.texts),
        "digest": inputs_digest(call.texts),
    }


def _append_completion(record: AuditRecord, frozen: JSON, trace: Trace) -> AuditRecord:
    parts = {name: frozen[name] for name in ("question", "messages", "options", "sources")}
    verdict = {"name": trace.verdict.name, "detail": trace.verdict.detail}
    body = canonical(clean({**parts, "answer": trace.text, "tool_calls": trace.tool_calls, "verdict": verdict}))
    salt = secrets.token_hex(16)
    record.kind, record.task = AuditRecord.Kind.COMPLETION, _fit(frozen["options"]["task"], 20)
    record.prompt_version, record.inputs = _fit(frozen["prompt_version"], 40), len(frozen["messages"])
    record.verdict = _fit(trace.verdict.name, 20)
    record.content_digest = content_digest(salt, body)
    _append(record)
    AuditContent(record=record, tenant_id=record.tenant_id, salt=salt, body=body).save(force_insert=True)
    return record


def _append_embedding(record: AuditRecord, frozen: JSON) -> AuditRecord:
    record.kind, record.task = AuditRecord.Kind.EMBEDDING, Task.EMBED
    record.inputs, record.content_digest = frozen["texts"], frozen["digest"]
    _append(record)
    return record


def _record(tenant_id: int, caller: Caller, call_id: str, trace: Trace) -> AuditRecord:
    usage = trace.usage
    return AuditRecord(
        id=call_id,
        tenant_id=tenant_id,
        at=timezone.now(),
        purpose=_fit(caller.purpose, 40),
        classification=_fit(caller.classification, 20),
        user_id=caller.user_id,
        user_label=_fit(caller.user_label, 200),
        conversation_id=_fit(caller.conversation_id, 64),
        provider=_fit(trace.provider, 40),
        model=_fit(trace.model, 120),
        model_version=_fit(trace.model_version, 120),
        input_tokens=min(usage.input_tokens, MAX_INTEGER),
        output_tokens=min(usage.output_tokens, MAX_INTEGER),
        cached_tokens=min(usage.cached_tokens, MAX_INTEGER),
        reasoning_tokens=min(usage.reasoning_tokens, MAX_INTEGER),
        usage_estimated=usage.estimated,
        cost=trace.cost.quantize(COST_PLACES),
        finish_reason=_fit(trace.reason or "", 20),
        error_code=_fit(trace.error_code, 40),
        timings=clean(timings(trace)),
        attempts=clean(trace.attempts),
    )


def timings(trace: Trace) -> dict[str, float]:
    """Milliseconds: until the money was reserved, until the first text, until the end of the
    stream, and from there until the record was written (in which the caller checks the answer)."""
    spans = {
        "queue_ms": ("start", "reserved"),
        "first_token_ms": ("start", "first_token"),
        "total_ms": ("start", "finished"),
        "checked_ms": ("finished", "closing"),
    }
    found = {name: trace.milliseconds(*marks) for name, marks in spans.items()}
    return {name: value for name, value in found.items() if value is not None}


def _append(record: AuditRecord) -> None:
    key = tenant_key(configured().audit_key, record.tenant_id)
    with transaction.atomic(savepoint=False), connection.cursor() as cursor:
        cursor.execute(NEXT, [record.tenant_id])
        record.sequence, record.previous_mac = cursor.fetchone()
        record.mac = record_mac(record, key)
        record.save(force_insert=True)
        AuditHead.objects.filter(tenant_id=record.tenant_id).update(mac=record.mac)
        transaction.on_commit(partial(anchor.advance, record.tenant_id, record.sequence, record.mac))


def _fit(value: Any, limit: int) -> str:
    return str(clean(str(value)))[:limit]
