"""Erases a person from a tenant's audit log (A4): their data key is destroyed, and with it every
text that it sealed and the one row that says which records are theirs.

The records stay, with model, times, tokens and cost, and so the chain stays verifiable. They no
longer say whose they were. The erasure is a record of its own.

Does not catch: what others wrote about the person, a chat's number that another table may still
tie to them, and copies: exports and backups. After a backup was put back, `again` erases whom the
anchor remembers.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction
from django.db.models import Count, Max, Min, Q

from accounts.tenancy import tenant_scope
from gateway.audit import anchor, writer
from gateway.audit.writer import Event
from gateway.models import AuditContent, AuditRecord, AuditSubject


@dataclass(frozen=True)
class Plan:
    """What an erasure touches: `records` lose whose they are, `texts` of them are destroyed.
    `since` and `until` are the first and the last record's times."""

    subject_id: uuid.UUID
    records: int
    texts: int
    since: datetime | None
    until: datetime | None


def plan(tenant_id: int, user_id: int) -> Plan | None:
    """None where the log knows nothing of the person. Runs in the tenant's scope."""
    subject = AuditSubject.objects.filter(tenant_id=tenant_id, user_id=user_id).first()
    return None if subject is None else _plan(subject)


def erase(tenant_id: int, user_id: int, *, by: int | None) -> Plan | None:
    """Erases the person on behalf of the user `by`, or of the operator at the command line. Returns
    what was touched, or None where there was nothing. Runs in the tenant's scope.

    Whoever erases themselves has the record written before their own key goes.
    """
    subject = AuditSubject.objects.filter(tenant_id=tenant_id, user_id=user_id).first()
    return None if subject is None else _erase(subject, by)


def again(tenant_id: int) -> list[Plan]:
    """Erases those who are there again although the anchor knows that they were erased, as after a
    backup was put back. Opens the tenant's scope."""
    known = anchor.read(tenant_id)
    with tenant_scope(tenant_id):
        back = AuditSubject.objects.filter(tenant_id=tenant_id, pk__in=known.erased if known else ())
        return [_erase(subject, None) for subject in back]


def _plan(subject: AuditSubject) -> Plan:
    theirs = Q(subject=subject.pk) | Q(actor=subject.pk)
    found = AuditRecord.objects.filter(theirs, tenant_id=subject.tenant_id).aggregate(
        records=Count("pk"), since=Min("at"), until=Max("at")
    )
    texts = AuditContent.objects.filter(record__subject=subject.pk).count()
    return Plan(subject.pk, found["records"], texts, found["since"], found["until"])


def _erase(subject: AuditSubject, by: int | None) -> Plan:
    touched = _plan(subject)
    detail = {"subject": str(subject.pk), "records": touched.records, "texts": touched.texts}
    writer.append_event(subject.tenant_id, Event(AuditRecord.Kind.ERASURE, by, detail))
    with connection.cursor() as cursor:
        cursor.execute("SELECT gateway_audit_erase(%s)", [subject.pk])
    transaction.on_commit(lambda: anchor.note_erased(subject.tenant_id, str(subject.pk)), robust=True)
    return touched
