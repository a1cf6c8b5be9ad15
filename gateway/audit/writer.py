"""Appends to the audit log: one record per call, whatever became of the call, and one for each thing
that is done to the log itself.

The tenant's head row is the queue: the statement that raises its number also locks it until the
commit, so writers come one after the other and the chain cannot fork (A3). Two statements append a
record; a person's first takes a third.
"""

from __future__ import annotations

import dataclasses
import uuid
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from gateway.audit import anchor, keys, subjects
from gateway.audit.chain import COST_PLACES, canonical, clean, fields_of, inputs_digest, mac_of
from gateway.cache.types import CacheNote
from gateway.conf import configured
from gateway.models import AuditRecord
from gateway.types import JSON, Call, Caller, Classification, EmbeddingCall, Task, Trace

NEXT = """
WITH head AS (
    INSERT INTO gateway_audithead AS head (tenant_id, sequence, mac) VALUES (%s, 1, '')
    ON CONFLICT (tenant_id) DO UPDATE SET sequence = head.sequence + 1
    RETURNING sequence, mac
)
SELECT head.sequence, head.mac, person.id, person.user_id, person.wrapped
FROM head LEFT JOIN gateway_auditsubject AS person ON person.tenant_id = %s AND ({people})
"""
APPEND = """
WITH record AS (INSERT INTO gateway_auditrecord ({columns}) VALUES ({values})){content}
UPDATE gateway_audithead SET mac = %s WHERE tenant_id = %s
"""
CONTENT = """,
content AS (INSERT INTO gateway_auditcontent (record_id, tenant_id, body) VALUES (%s, %s, %s))"""
SOURCE = ("document", "version", "start", "end")
MAX_INTEGER = 2**31 - 1


@dataclass(frozen=True)
class Event:
    """Something done to the log itself; `detail` names no person."""

    kind: AuditRecord.Kind
    actor_id: int | None
    detail: JSON


def append(tenant_id: int, frozen: JSON, trace: Trace) -> AuditRecord:
    """Appends the record of a frozen call and what became of it. Runs in the tenant's scope."""
    caller = Caller(**{**frozen["caller"], "classification": Classification(frozen["caller"]["classification"])})
    record = _record(tenant_id, caller, frozen["id"], trace)
    subject = caller.user_id if caller.subject_id is None else caller.subject_id
    if frozen["kind"] == AuditRecord.Kind.EMBEDDING:
        record.kind, record.task, record.inputs = AuditRecord.Kind.EMBEDDING, Task.EMBED, frozen["texts"]
        return _append(record, caller.user_id, subject, digest=frozen["digest"])
    record.kind, record.task = AuditRecord.Kind.COMPLETION, _fit(frozen["options"]["task"], 20)
    record.prompt_version, record.inputs = _fit(frozen["prompt_version"], 40), len(frozen["messages"])
    record.sources = clean([{name: each[name] for name in SOURCE} for each in frozen["sources"]])
    record.verdict = _fit(trace.verdict.name, 20)
    record.detail = clean(_cached(trace.cache))
    record.replay_of = uuid.UUID(frozen["replay_of"]) if frozen["replay_of"] else None
    return _append(record, caller.user_id, subject, text=_text(caller, subject, frozen, trace))


def append_event(tenant_id: int, event: Event) -> AuditRecord:
    """Appends the record of an erasure or of retention. Runs in the tenant's scope."""
    record = AuditRecord(
        id=uuid.uuid4(),
        tenant_id=tenant_id,
        at=timezone.now(),
        kind=event.kind,
        purpose=event.kind.value,
        classification=Classification.INTERNAL.value,
        cost=COST_PLACES * 0,
        detail=clean(event.detail),
    )
    return _append(record, event.actor_id, event.actor_id)


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
        "replay_of": str(call.replay_of or ""),
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


def _cached(note: CacheNote) -> JSON:
    """What the cache had: whose answer it was, how alike the questions are, what it had cost."""
    if not note.hit:
        return {"cache": note.kind.value} if note.kind else {}
    found = {"cached_from": note.record, "similarity": note.similarity, "saved": str(note.saved)}
    return {"cache": note.kind.value, **found}


def _text(caller: Caller, subject: int | None, frozen: JSON, trace: Trace) -> str:
    """What is sealed. Another person's name is not sealed with the subject's key: it would outlive
    its own erasure."""
    parts = {name: frozen[name] for name in ("question", "messages", "options", "sources")}
    verdict = {"name": trace.verdict.name, "detail": trace.verdict.detail}
    user = caller.user_label if subject == caller.user_id else ""
    return canonical(
        clean({**parts, "user": user, "answer": trace.text, "tool_calls": trace.tool_calls, "verdict": verdict})
    )


def _record(tenant_id: int, caller: Caller, call_id: str, trace: Trace) -> AuditRecord:
    usage = trace.usage
    return AuditRecord(
        id=uuid.UUID(call_id),
        tenant_id=tenant_id,
        at=timezone.now(),
        purpose=_fit(caller.purpose, 40),
        classification=_fit(caller.classification, 20),
        conversation_id=_fit(caller.conversation_id, 64),
        provider=_fit(trace.provider, 40),
        model=_fit(trace.model, 120),
        model_version=_fit(trace.model_version, 120),
        policy_version=_fit(trace.policy_version, 40),
        redaction=clean(trace.redaction),
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
        gateways=clean(trace.gateways),
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


def _append(
    record: AuditRecord, actor: int | None, subject: int | None, *, text: str | None = None, digest: str = ""
) -> AuditRecord:
    tenant_id = record.tenant_id
    with transaction.atomic(savepoint=False), connection.cursor() as cursor:
        condition, parameters = subjects.condition(actor, subject)
        cursor.execute(NEXT.format(people=condition), [tenant_id, tenant_id, *parameters])
        rows = cursor.fetchall()
        record.sequence, record.previous_mac = rows[0][:2]
        people = subjects.found(tenant_id, [row[2:] for row in rows if row[2]], {actor, subject})
        record.actor_id, record.subject_id = people[actor].id, people[subject].id
        sealed = None
        if text is not None:
            sealed, record.content_digest = keys.seal(people[subject].key, record.pk, text)
        elif digest:
            record.content_digest = keys.keyed_digest(people[subject].key, digest)
        record.anchored = anchor.known(tenant_id)
        record.mac = mac_of(fields_of(record), keys.tenant_key(configured().audit_key, tenant_id))
        _insert(cursor, record, sealed)
        transaction.on_commit(lambda: anchor.advance_soon(tenant_id, record.sequence, record.mac))
    return record


def _insert(cursor: Any, record: AuditRecord, sealed: bytes | None) -> None:
    columns = AuditRecord._meta.concrete_fields
    values = [field.get_db_prep_save(getattr(record, field.attname), connection) for field in columns]
    statement = APPEND.format(
        columns=", ".join(f'"{field.column}"' for field in columns),
        values=", ".join(["%s"] * len(columns)),
        content="" if sealed is None else CONTENT,
    )
    content = [] if sealed is None else [record.pk, record.tenant_id, sealed]
    cursor.execute(statement, [*values, *content, record.mac, record.tenant_id])


def _fit(value: Any, limit: int) -> str:
    return str(clean(str(value)))[:limit]
