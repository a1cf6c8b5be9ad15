"""Reads records as they stand in the table, for checking: fast, in short transactions, in order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from django.db import connection

from accounts.tenancy import tenant_scope
from gateway.audit.chain import METADATA

BATCH = 2_000
COLUMNS = ", ".join(f'record."{name}"' for name in METADATA)
RECORDS = f"""
SELECT record.mac, content.body, {COLUMNS}
FROM gateway_auditrecord AS record LEFT JOIN gateway_auditcontent AS content ON content.record_id = record.id
WHERE record.tenant_id = %s AND
"""
FOLLOWING = RECORDS + "record.sequence > %s AND record.sequence <= %s ORDER BY record.sequence LIMIT %s"
NUMBERED = RECORDS + "record.sequence = ANY(%s) ORDER BY record.sequence"
MACS = "SELECT sequence, mac FROM gateway_auditrecord WHERE tenant_id = %s AND sequence = ANY(%s)"
COUNT = "SELECT count(*) FROM gateway_auditrecord WHERE tenant_id = %s AND sequence <= %s"
BOUNDS = """
SELECT head.sequence, head.mac, (SELECT max(sequence) FROM gateway_auditrecord WHERE tenant_id = %s)
FROM (SELECT 1) AS one LEFT JOIN gateway_audithead AS head ON head.tenant_id = %s
"""


@dataclass(frozen=True, slots=True)
class Row:
    """A record's fields by name, its MAC, and its text as it is sealed, or None."""

    fields: dict[str, Any]
    mac: str
    sealed: bytes | None

    @property
    def sequence(self) -> int:
        return int(self.fields["sequence"])


def bounds(tenant_id: int) -> tuple[int, str, int]:
    """The head row's number and MAC, and the highest number of a record."""
    ((sequence, mac, highest),) = _all(tenant_id, BOUNDS, [tenant_id, tenant_id])
    return sequence or 0, mac or "", highest or 0


def batches(tenant_id: int, after: int, until: int) -> Iterator[list[Row]]:
    """All records with numbers above `after` and up to `until`, in order."""
    while True:
        batch = [_row(each) for each in _all(tenant_id, FOLLOWING, [tenant_id, after, until, BATCH])]
        if batch:
            yield batch
        if len(batch) < BATCH:
            return
        after = batch[-1].sequence


def numbered(tenant_id: int, numbers: Sequence[int]) -> list[Row]:
    """The records with these numbers, in order."""
    return [_row(each) for each in _all(tenant_id, NUMBERED, [tenant_id, list(numbers)])]


def macs(tenant_id: int, numbers: Sequence[int]) -> dict[int, str]:
    return dict(_all(tenant_id, MACS, [tenant_id, list(numbers)]))


def count(tenant_id: int, through: int) -> int:
    """How many records have numbers up to `through`."""
    ((found,),) = _all(tenant_id, COUNT, [tenant_id, through])
    return int(found)


def _all(tenant_id: int, statement: str, parameters: list[Any]) -> list[Any]:
    # The driver's own cursor, because it fetches in binary: sealed texts as they are, not in hexadecimal.
    with tenant_scope(tenant_id), psycopg.Cursor(connection.connection) as cursor:
        return cursor.execute(statement, parameters, binary=True).fetchall()


def _row(values: Sequence[Any]) -> Row:
    return Row(dict(zip(METADATA, values[2:], strict=True)), values[0], values[1])
