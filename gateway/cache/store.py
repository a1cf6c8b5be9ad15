"""Kept answers in the database: found, kept, and let go. All runs in the tenant's scope.

Each filter has a second lock behind it. Below the tenant is row-level security; a body is sealed for
its scope, so that an asker of another scope (visibility, prompt, route, options) could not open it; the
exact digest stands in the body again; and a similar question has an answer only where every source that
the answer cites was found for the new asker too, at the same version.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import F
from django.db.models.expressions import RawSQL
from django.utils import timezone

from accounts.models import Tenant
from accounts.tenancy import tenant_scope
from gateway.audit import keys
from gateway.audit.chain import canonical, clean
from gateway.cache.check import difference
from gateway.cache.key import Key
from gateway.cache.markers import renumbered
from gateway.cache.policy import Allowed, allowed
from gateway.cache.types import CacheNote, CacheResult
from gateway.conf import configured
from gateway.models import AuditRecord, CachedAnswer, CacheLead
from gateway.types import JSON, Call, Degraded, FinishReason, Source, Trace

NEAREST = 5  # similar questions that are looked at, nearest first
LEAD = """
INSERT INTO gateway_cachelead AS lead (tenant_id, exact, holder, until) VALUES (%s, %s, %s, %s)
ON CONFLICT (tenant_id, exact) DO UPDATE SET holder = excluded.holder, until = excluded.until WHERE lead.until < %s
RETURNING holder
"""
KEEP = """
INSERT INTO gateway_cachedanswer
    (id, tenant_id, subject_id, exact, scope, corpus, vector, body, hits, created_at, used_at)
VALUES (%s, %s, %s, %s, %s, %s, %s::halfvec, %s, 0, %s, %s)
ON CONFLICT (tenant_id, exact) DO NOTHING
"""


@dataclass(frozen=True)
class Found:
    """A kept answer, its markers as this call's sources are numbered."""

    note: CacheNote
    text: str
    provider: str
    model: str
    model_version: str


def look(call: Call, key: Key, *, similar: bool) -> tuple[Found | None, Allowed]:
    """What is kept for the call, or with `similar` for a question like it."""
    may = allowed(call.caller.tenant_id)
    if not may.enabled:
        return None, may
    fresh = CachedAnswer.objects.filter(tenant_id=call.caller.tenant_id, created_at__gt=timezone.now() - may.age)
    found = _equal(call, key, fresh)
    if found is None and similar and may.similar:
        found = _similar(call, key, may, fresh)
    if found is not None:
        CachedAnswer.objects.filter(pk=found.note.record).update(hits=F("hits") + 1, used_at=timezone.now())
    return found, may


def lead(call: Call, key: Key, seconds: float) -> bool:
    """Whether this call is the one that asks the model. False while another does."""
    now = timezone.now()
    until = now + timedelta(seconds=seconds)
    with connection.cursor() as cursor:
        cursor.execute(LEAD, [call.caller.tenant_id, key.exact, call.id, until, now])
        return cursor.fetchone() is not None


def led(call: Call, key: Key) -> bool:
    """Whether another call is asking the model still."""
    rows = CacheLead.objects.filter(tenant_id=call.caller.tenant_id, exact=key.exact)
    return bool(rows.filter(until__gt=timezone.now()).exists())


def conclude(call: Call, trace: Trace) -> None:
    """Keeps a good answer, drops a kept one that the caller's check did not confirm, and lets those
    who wait go on. Runs after the call's record was written, which has made the person's key."""
    tenant_id, note = call.caller.tenant_id, trace.cache
    if note.hit:
        if trace.reason == FinishReason.STOP and trace.verdict.name != "supported":
            CachedAnswer.objects.filter(tenant_id=tenant_id, pk=note.record).delete()
        return
    if _worth_keeping(trace) and allowed(tenant_id).enabled:
        _keep(call, trace)
    CacheLead.objects.filter(tenant_id=tenant_id, exact=note.exact, holder=call.id).delete()


def drop(tenant_id: int, audit_id: str) -> None:
    """Forgets the answer that this record gave or was given, as when a reader found it wrong."""
    record = AuditRecord.objects.filter(tenant_id=tenant_id, pk=audit_id).first()
    if record is not None:
        origin = record.detail.get("cached_from", record.pk)
        CachedAnswer.objects.filter(tenant_id=tenant_id, pk=origin).delete()


def sweep(now: datetime) -> int:
    """Removes what is too old, and leads whose process died; says how many answers went."""
    gone = 0
    for tenant_id in Tenant.objects.values_list("pk", flat=True):
        with tenant_scope(tenant_id):
            old = CachedAnswer.objects.filter(tenant_id=tenant_id, created_at__lte=now - allowed(tenant_id).age)
            gone += old.delete()[0]
            CacheLead.objects.filter(tenant_id=tenant_id, until__lt=now).delete()
    return gone


def _equal(call: Call, key: Key, fresh: Any) -> Found | None:
    row = fresh.filter(exact=key.exact).select_related("subject").first()
    body = None if row is None else _opened(row, key)
    if body is None or body["exact"] != key.exact:
        return None
    return _found(row, body, CacheNote(CacheResult.EXACT, str(row.pk), 1.0), body["answer"])


def _similar(call: Call, key: Key, may: Allowed, fresh: Any) -> Found | None:
    """An answer to a question that asks the same, from sources that this call has too, where none of
    this call's sources is newer than the answer."""
    reuse = call.reuse
    if reuse is None or not reuse.vector:
        return None
    distance = RawSQL("vector <=> %s::halfvec", [str(list(reuse.vector))])
    rows = fresh.filter(scope=key.scope, corpus__gte=reuse.newest, vector__isnull=False)
    for row in rows.select_related("subject").annotate(distance=distance).order_by("distance")[:NEAREST]:
        similarity = 1 - float(row.distance)
        if similarity < may.bound:
            return None
        body = _opened(row, key)
        names = None if body is None else _names(body["cited"], call.sources)
        if body is not None and names is not None and not difference(body["question"], call.question):
            note = CacheNote(CacheResult.SEMANTIC, str(row.pk), round(similarity, 4))
            return _found(row, body, note, renumbered(body["answer"], names))
    return None


def _names(cited: Iterable[list[Any]], sources: Iterable[Source]) -> Mapping[int, int] | None:
    """The new number of each cited source; None where one of them is not among these."""
    here = {(each.document, each.version, each.start, each.end): each.marker for each in sources}
    names = {marker: here.get(tuple(place)) for marker, *place in cited}
    return {old: new for old, new in names.items() if new is not None} if names and all(names.values()) else None


def _found(row: CachedAnswer, body: JSON, note: CacheNote, text: str) -> Found:
    saved = CacheNote(note.kind, note.record, note.similarity, Decimal(body["cost"]))
    return Found(saved, text, body["provider"], body["model"], body["model_version"])


def _opened(row: CachedAnswer, key: Key) -> JSON | None:
    """The body, or None where it was sealed for another scope or its person's key is gone."""
    try:
        _salt, text = keys.unseal(row.subject.key(), _place(row.pk, key.scope), bytes(row.body))
    except keys.Unreadable:
        return None
    return json.loads(text)  # type: ignore[no-any-return]


def _place(answer: UUID, scope: str) -> str:
    return f"cache {answer} {scope}"


def _worth_keeping(trace: Trace) -> bool:
    """Whole, checked and found supported, by the model that the route prefers, and no tool was called."""
    whole = trace.reason == FinishReason.STOP and not trace.error_code and not trace.tool_calls
    as_meant = trace.degraded == Degraded.NO and trace.model == trace.cache.model
    return bool(whole and as_meant and trace.verdict.name == "supported" and trace.text.strip())


def _keep(call: Call, trace: Trace) -> None:
    note, reuse, now = trace.cache, call.reuse, timezone.now()
    person = AuditRecord.objects.filter(pk=call.id).select_related("subject").first()
    if reuse is None or person is None or person.subject is None:
        return
    cited = [each for each in call.sources if each.marker in trace.verdict.cited]
    body = {
        "exact": note.exact,
        "question": call.question,
        "answer": trace.text,
        "cited": [(each.marker, each.document, each.version, each.start, each.end) for each in cited],
        "cost": str(trace.cost),
        "provider": trace.provider,
        "model": trace.model,
        "model_version": trace.model_version,
    }
    sealed, _digest = keys.seal(person.subject.key(), _place(call.id, note.scope), canonical(clean(body)))
    vector = str(list(reuse.vector)) if reuse.vector and cited else None
    place = [call.id, call.caller.tenant_id, person.subject.pk, note.exact, note.scope]
    _make_room(call.caller.tenant_id)
    with connection.cursor() as cursor:
        CachedAnswer.objects.filter(
            tenant_id=call.caller.tenant_id, exact=note.exact, created_at__lte=now - allowed(call.caller.tenant_id).age
        ).delete()
        cursor.execute(KEEP, [*place, reuse.corpus, vector, sealed, now, now])


def _make_room(tenant_id: int) -> None:
    """The answers that nobody had for longest go first."""
    kept = CachedAnswer.objects.filter(tenant_id=tenant_id)
    last = kept.order_by("-used_at").values_list("used_at", flat=True)[configured().cache_entries - 1 :].first()
    if last is not None:
        kept.filter(used_at__lte=last).delete()
