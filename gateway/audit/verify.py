"""Walks a tenant's chain from its first record and says where it first fails.

Codes: `edited` (a field is not what was written), `content_edited`, `content_missing`, `deleted` (a
number is missing), `reordered` (a record stands under another number than it was written with),
`broken_link` (the predecessor is not the one that it was written after), `cut_off` (records at the
end are gone), `head_forged` (the head row disagrees with the records), `replaced` (a record that
was anchored is not the one found), `anchor_missing`, `anchor_damaged`.

Reads in batches, each in a short transaction; records appended meanwhile are left for next time.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from django.db import connection

from accounts.models import Tenant
from accounts.tenancy import tenant_scope
from gateway.audit import anchor
from gateway.audit.anchor import Anchor
from gateway.audit.chain import content_digest, record_mac, tenant_key
from gateway.conf import configured
from gateway.models import AuditContent, AuditRecord
from gateway.types import JSON

BATCH = 500
BOUNDS = """
SELECT head.sequence, head.mac, (SELECT max(sequence) FROM gateway_auditrecord WHERE tenant_id = %s)
FROM (SELECT 1) AS one LEFT JOIN gateway_audithead AS head ON head.tenant_id = %s
"""


@dataclass(frozen=True)
class Failure:
    """The first record at fault, by its number, and what is wrong with it."""

    sequence: int
    code: str
    detail: str


@dataclass(frozen=True)
class Verification:
    """`records` were read; `failure` is None when all is as it was written."""

    records: int
    failure: Failure | None = None

    @property
    def ok(self) -> bool:
        return self.failure is None

    def as_json(self) -> JSON:
        return {"records": self.records, "ok": self.ok, "failure": asdict(self.failure) if self.failure else None}


class _Found(Exception):
    """Ends the walk at the first failure."""

    def __init__(self, sequence: int, code: str, detail: str) -> None:
        self.failure = Failure(sequence, code, detail)


def verify(tenant_id: int) -> Verification:
    """Checks every record, its text, the head row and the anchor. Outside of any tenant scope."""
    walk = _Walk(tenant_id)
    try:
        walk.run()
    except _Found as found:
        return Verification(walk.records, found.failure)
    return Verification(walk.records)


def audited_tenants() -> list[int]:
    """All tenants, and those that are gone but left an anchor."""
    return sorted({*Tenant.objects.values_list("pk", flat=True), *anchor.tenants()})


def record_fault(record: AuditRecord, key: bytes) -> tuple[str, str] | None:
    """What is wrong with one record taken by itself: (code, detail), or None."""
    if not hmac.compare_digest(record_mac(record, key), record.mac):
        return "edited", "its fields do not match its MAC"
    if record.kind == AuditRecord.Kind.EMBEDDING:
        return None
    content: AuditContent | None = getattr(record, "content", None)  # a missing one raises an AttributeError
    if content is None:
        return "content_missing", "its text is gone"
    if content_digest(content.salt, content.body) != record.content_digest:
        return "content_edited", "its text does not match its digest"
    return None


class _Walk:
    """The state of one verification: the number and MAC that were last found good."""

    def __init__(self, tenant_id: int) -> None:
        self.tenant_id = tenant_id
        self.key = tenant_key(configured().audit_key, tenant_id)
        self.records = self.last = 0
        self.mac = ""
        self.anchor: Anchor | None = None

    def run(self) -> None:
        # The anchor before the head, the head before the records: each is then at most as new as
        # what it is compared with.
        self.read_anchor()
        head, head_mac, highest = self.bounds()
        for record in self._records(max(head, highest)):
            self._check(record)
        self.check_end(head, head_mac)

    def read_anchor(self) -> None:
        try:
            self.anchor = anchor.read(self.tenant_id)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise _Found(0, "anchor_damaged", f"the anchor cannot be read: {error}") from None

    def bounds(self) -> tuple[int, str, int]:
        with tenant_scope(self.tenant_id), connection.cursor() as cursor:
            cursor.execute(BOUNDS, [self.tenant_id, self.tenant_id])
            sequence, mac, highest = cursor.fetchone()
        return sequence or 0, mac or "", highest or 0

    def _records(self, until: int) -> Iterator[AuditRecord]:
        after: int | None = None
        while True:
            with tenant_scope(self.tenant_id):
                rows = AuditRecord.objects.select_related("content").filter(sequence__lte=until).order_by("sequence")
                batch = list((rows if after is None else rows.filter(sequence__gt=after))[:BATCH])
            yield from batch
            if len(batch) < BATCH:
                return
            after = batch[-1].sequence

    def _check(self, record: AuditRecord) -> None:
        self.records += 1
        expected = self.last + 1
        if record.sequence != expected:
            raise _Found(expected, "deleted", f"number {expected} is missing; the next found is {record.sequence}")
        fault = record_fault(record, self.key)
        if fault and fault[0] == "edited" and (written := self._written_as(record)):
            raise _Found(expected, "reordered", f"the record under this number was written as number {written}")
        if fault:
            raise _Found(expected, *fault)
        if record.previous_mac != self.mac:
            raise _Found(expected, "broken_link", "it was written after another record than the one before it")
        if self.anchor and self.anchor.sequence == expected and self.anchor.mac != record.mac:
            raise _Found(expected, "replaced", "it is not the record that was anchored")
        self.last, self.mac = expected, record.mac

    def _written_as(self, record: AuditRecord) -> int | None:
        """The number under which the record's MAC is right. Linear in the length of the chain,
        and run once, for the first failure."""
        found_under, (head, _mac, highest) = record.sequence, self.bounds()
        try:
            for number in range(1, max(head, highest, self.anchor.sequence if self.anchor else 0) + 1):
                record.sequence = number
                if hmac.compare_digest(record_mac(record, self.key), record.mac):
                    return number
            return None
        finally:
            record.sequence = found_under

    def check_end(self, head: int, head_mac: str) -> None:
        known = max(head, self.anchor.sequence if self.anchor else 0)
        if known > self.last:
            raise _Found(self.last + 1, "cut_off", f"{known} records were written and {self.last} are left")
        if head != self.last or head_mac != self.mac:
            raise _Found(self.last, "head_forged", f"the head row says {head}, the last record is {self.last}")
        if self.anchor is None and self.last and not _anchored_soon(self.tenant_id):
            raise _Found(self.last, "anchor_missing", "no anchor is kept for these records")
        if self.anchor and self.anchor.conflict is not None:
            raise _Found(self.anchor.conflict, "replaced", "two records were written under this number")


def _anchored_soon(tenant_id: int) -> bool:
    """Whether there is an anchor, or a writer that has just committed the chain's first record is
    about to keep one: it does so after the commit."""
    for _ in range(20):
        if anchor.read(tenant_id) is not None:
            return True
        time.sleep(0.1)
    return False


def end_fault(tenant_id: int) -> Failure | None:
    """A quick look at the end of the chain alone: last record, head row and anchor agree. Says
    nothing of the records before; `verify` does."""
    walk = _Walk(tenant_id)
    try:
        walk.read_anchor()
        head, head_mac, highest = walk.bounds()
        with tenant_scope(tenant_id):
            last = AuditRecord.objects.filter(sequence=highest).first()
        if last is not None:
            walk.last, walk.mac = last.sequence, last.mac
        walk.check_end(head, head_mac)
    except _Found as found:
        return found.failure
    if walk.anchor and last is not None and walk.anchor.sequence == last.sequence and walk.anchor.mac != last.mac:
        return Failure(last.sequence, "replaced", "it is not the record that was anchored")
    return None
