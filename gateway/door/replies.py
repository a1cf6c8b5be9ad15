"""The same request twice is one effect (R10): an answer is kept for a day under its Idempotency-Key,
and said again to the same key of the same program."""

from __future__ import annotations

import hashlib
import json
import uuid
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from accounts.models import Tenant
from accounts.tenancy import tenant_scope
from gateway.audit import keys
from gateway.audit.thaw import thaw
from gateway.door.refusals import Refused, invalid
from gateway.door.values import Answer
from gateway.models import AuditRecord, AuditSubject, SavedAnswer
from gateway.types import JSON, Caller

KEPT = timedelta(days=1)
LONGEST_KEY = 255
LEASE = timedelta(seconds=240)  # longer than any call


@dataclass(frozen=True)
class Claim:
    """The right to answer one idempotent request."""

    caller: Caller
    key: str
    request: str
    call: uuid.UUID


def claim_of(caller: Caller, key: str, path: str, body: JSON, call: uuid.UUID) -> Claim:
    """Raises `Refused` for a key that is too long."""
    if len(key) > LONGEST_KEY:
        raise invalid(f"An Idempotency-Key has at most {LONGEST_KEY} characters.", "Idempotency-Key")
    said = json.dumps({**body, "stream": None, "stream_options": None}, sort_keys=True)
    return Claim(caller, _digest(key), _digest(f"{path} {said}"), call)


def saved(claim: Claim) -> JSON | None:
    """The answer that was given before; None where this call is to give it. Runs in the tenant's
    scope. Raises `Refused` for another body, and while another call is at it."""
    now = timezone.now()
    fresh = {"request": claim.request, "call": claim.call, "created_at": now, "lease_until": now + LEASE}
    row, ours = SavedAnswer.objects.select_for_update().get_or_create(
        tenant_id=claim.caller.tenant_id, api_key_id=claim.caller.api_key_id, key=claim.key, defaults=fresh
    )
    if ours:
        return None
    if row.created_at < now - KEPT:
        _take(row, claim, now)
        return None
    if row.request != claim.request:
        raise Refused(409, "idempotency_mismatch", "This Idempotency-Key was used for another request.")
    if row.body:
        return _opened(row)
    if row.lease_until > now:
        raise Refused(
            409, "idempotency_in_use", "The same request is being answered; ask again.", retry_after=1, again=True
        )
    _take(row, claim, now)
    return None


def save(claim: Claim, answer: JSON) -> None:
    """Keeps the answer, sealed like the audit record of the call. Runs in the tenant's scope."""
    record = AuditRecord.objects.select_related("subject").get(pk=claim.call)
    row = _row(claim)
    if row is None or record.subject is None:
        return
    row.body, _of_audit = keys.seal(record.subject.key(), row.pk, json.dumps(answer))
    row.save(update_fields=["body"])


def release(claim: Claim) -> None:
    """The call failed, and may be made again under the same key. Runs in the tenant's scope."""
    row = _row(claim)
    if row is not None and not row.body:
        row.delete()


def expire_all(now: datetime) -> int:
    """Lets go of what is older than a day, in all tenants; says how many."""
    count = 0
    for tenant_id in Tenant.objects.values_list("pk", flat=True):
        with tenant_scope(tenant_id), transaction.atomic():
            count += SavedAnswer.objects.filter(created_at__lt=now - KEPT).delete()[0]
    return count


def frozen(answer: Answer) -> JSON:
    return {"answer": asdict(answer)}


def thawed(kept: JSON) -> Answer:
    answer: Answer = thaw(Answer, kept["answer"])
    return answer


def _row(claim: Claim) -> SavedAnswer | None:
    found: SavedAnswer | None = SavedAnswer.objects.filter(
        api_key_id=claim.caller.api_key_id, key=claim.key, call=claim.call
    ).first()
    return found


def _take(row: SavedAnswer, claim: Claim, now: datetime) -> None:
    """Of a call whose process died, or of a day that is over."""
    row.request, row.call, row.body, row.created_at = claim.request, claim.call, b"", now
    row.lease_until = now + LEASE
    row.save()


def _opened(row: SavedAnswer) -> JSON:
    """Raises `Refused` where the person was erased meanwhile."""
    record = AuditRecord.objects.select_related("subject").filter(pk=row.call).first()
    try:
        if record is None or record.subject is None:
            raise keys.Unreadable
        _salt, text = keys.unseal(record.subject.key(), row.pk, bytes(row.body))
    except (keys.Unreadable, AuditSubject.DoesNotExist):
        raise Refused(409, "idempotency_gone", "The answer under this Idempotency-Key was erased.") from None
    kept: JSON = json.loads(text)
    return kept


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
