"""Who the records are of: one row for each person of a tenant, made with their first record."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import connection
from django.utils import timezone

from gateway.audit import keys
from gateway.models import AuditSubject

MAKE = """
INSERT INTO gateway_auditsubject (id, tenant_id, user_id, wrapped, created_at) VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (tenant_id, user_id) DO NOTHING
"""


@dataclass(frozen=True)
class Person:
    """A subject whose data key is open."""

    id: uuid.UUID
    key: bytes = field(repr=False)


def condition(*user_ids: int | None) -> tuple[str, list[int]]:
    """SQL that finds the rows of these people by index, and its parameters. None is the tenant's own work."""
    named = sorted({each for each in user_ids if each is not None})
    parts = ["person.user_id = %s" for _ in named] + ["person.user_id IS NULL"] * (None in user_ids)
    return " OR ".join(parts), named


def found(tenant_id: int, rows: Iterable[Sequence[Any]], wanted: set[int | None]) -> dict[int | None, Person]:
    """The wanted people by user, from rows of (id, user, wrapped key); makes those that are missing.
    Raises `keys.Unreadable` for a row that was tampered with."""
    people = {user: Person(id_, keys.data_key(tenant_id, id_, user, bytes(wrapped))) for id_, user, wrapped in rows}
    for user in wanted - people.keys():
        people[user] = _make(tenant_id, user)
    return people


def _make(tenant_id: int, user: int | None) -> Person:
    fresh = uuid.uuid4()
    with connection.cursor() as cursor:
        wrapped = keys.new_data_key(tenant_id, fresh, user)
        cursor.execute(MAKE, [fresh, tenant_id, user, wrapped, timezone.now()])
    # Another writer may have been first; then theirs is the one.
    row = AuditSubject.objects.get(tenant_id=tenant_id, user_id=user)
    return Person(row.pk, row.key())
