"""How long the texts of a tenant's records are kept. After that they go; the metadata and the chain stay.

First a record says up to which number the texts go, then they go, in pieces: a run that was
interrupted is finished by the next. The database lets go of no text that is younger than the
policy, or that no record has announced.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import connection

from accounts.models import Tenant
from accounts.tenancy import tenant_scope
from gateway.audit import writer
from gateway.audit.writer import Event
from gateway.models import AuditPolicy, AuditRecord

AT_ONCE = 2_000


def keep_for(tenant_id: int, days: int | None, *, by: int | None) -> None:
    """Sets how many days texts are kept, None for ever, and leaves a record of who did so. Runs in
    the tenant's scope."""
    if days is None:
        AuditPolicy.objects.filter(tenant_id=tenant_id).delete()
    else:
        AuditPolicy.objects.update_or_create(tenant_id=tenant_id, defaults={"days": days})
    writer.append_event(tenant_id, Event(AuditRecord.Kind.POLICY, by, {"days": days}))


def expire_all(now: datetime) -> int:
    """Applies every tenant's policy; says how many texts went. May run twice."""
    return sum(expire(tenant_id, now) for tenant_id in Tenant.objects.values_list("pk", flat=True))


def expire(tenant_id: int, now: datetime) -> int:
    """Applies the tenant's policy; says how many texts went. Opens the tenant's scope."""
    with tenant_scope(tenant_id):
        policy = AuditPolicy.objects.filter(tenant_id=tenant_id).first()
        announced = _announced(tenant_id)
        if policy is not None:
            through = _last_before(tenant_id, announced, now - timedelta(days=policy.days))
            if through > announced:
                detail = {"through": through, "days": policy.days}
                writer.append_event(tenant_id, Event(AuditRecord.Kind.RETENTION, None, detail))
    if policy is None:
        return 0
    gone = 0
    while removed := _remove(tenant_id, max(through, announced)):
        gone += removed
    return gone


def _announced(tenant_id: int) -> int:
    """The number up to which texts were said to go so far."""
    last = AuditRecord.objects.filter(tenant_id=tenant_id, kind=AuditRecord.Kind.RETENTION).order_by("sequence").last()
    return int(last.detail["through"]) if last else 0


def _last_before(tenant_id: int, after: int, before: datetime) -> int:
    """The last number of which all records from `after` on are older than `before`."""
    rows = AuditRecord.objects.filter(tenant_id=tenant_id, sequence__gt=after).order_by("sequence")
    kept = rows.filter(at__gte=before).values_list("sequence", flat=True).first()
    last = rows.values_list("sequence", flat=True).last()
    return int(kept) - 1 if kept else int(last or after)


def _remove(tenant_id: int, through: int) -> int:
    with tenant_scope(tenant_id), connection.cursor() as cursor:
        cursor.execute("SELECT gateway_audit_expire(%s, %s, %s)", [tenant_id, through, AT_ONCE])
        return int(cursor.fetchone()[0])
