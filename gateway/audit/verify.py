"""Walks a tenant's chain and says where it first fails.

Codes, beside those of `ledger`: `deleted` (a number is missing), `added` (a number is there twice),
`reordered` (a record stands under another number than it was written with), `broken_link` (the
predecessor is not the one that it was written after), `cut_off` (records at the end are gone),
`head_forged` (the head row disagrees with the records), `replaced` (a record that was anchored or
checked before is not the one found), `anchor_missing`, `anchor_damaged`, `anchor_replaced` (the
anchor is older than the records say that it was), `timestamp_mismatch` (an authority has confirmed
another record under this number).

Reads in batches, each in a short transaction; records appended meanwhile are left for next time.
"""

from __future__ import annotations

import hmac
import random
import time
from dataclasses import asdict, dataclass

from accounts.models import Tenant
from gateway.audit import anchor, checkpoint, rows, timestamps
from gateway.audit.anchor import Anchor
from gateway.audit.chain import mac_of
from gateway.audit.checkpoint import Checkpoint
from gateway.audit.ledger import Ledger
from gateway.audit.rows import Row
from gateway.types import JSON

SAMPLE = 1_000
# Told last: where the chain itself is broken, the record that explains them may be what is missing.
ABSENCES = frozenset({"content_missing", "key_missing"})
BEFORE_ALL = -(2**62)


@dataclass(frozen=True)
class Failure:
    """The first record at fault, by its number, and what is wrong with it."""

    sequence: int
    code: str
    detail: str


@dataclass(frozen=True)
class Verification:
    """`records` were read, up to number `through`; `failure` is None when all is as it was written."""

    records: int
    through: int
    failure: Failure | None = None

    @property
    def ok(self) -> bool:
        return self.failure is None

    def as_json(self) -> JSON:
        failure = asdict(self.failure) if self.failure else None
        return {"records": self.records, "through": self.through, "ok": self.ok, "failure": failure}


class _Found(Exception):
    """Ends the walk at the first failure."""

    def __init__(self, sequence: int, code: str, detail: str) -> None:
        self.failure = Failure(sequence, code, detail)


def verify(tenant_id: int) -> Verification:
    """Checks every record, its text, the head row and the anchor. Outside of any tenant scope."""
    return _Walk(tenant_id).outcome(None)


def verify_new(tenant_id: int) -> Verification:
    """Checks what was written since the last checkpoint, and of what lies before it that nothing is
    missing and that a random sample is intact; a fault there is located by a whole walk. Without a
    checkpoint, the same as `verify`."""
    start = checkpoint.read(tenant_id)
    return _Walk(tenant_id).outcome(start)


def audited_tenants() -> list[int]:
    """All tenants, and those that are gone but left an anchor."""
    return sorted({*Tenant.objects.values_list("pk", flat=True), *anchor.tenants()})


class _Walk:
    """The state of one verification: the number and MAC that were last found good."""

    def __init__(self, tenant_id: int) -> None:
        self.tenant_id = tenant_id
        self.records = self.last = self.anchored = 0
        self.mac = ""
        self.anchor: Anchor | None = None
        self.absent: _Found | None = None
        self.checked = checkpoint.read(tenant_id)
        self.ledger: Ledger

    def outcome(self, start: Checkpoint | None) -> Verification:
        try:
            self.run(start)
        except _Found as found:
            if start is not None and found.failure.sequence <= start.sequence:
                whole = _Walk(self.tenant_id).outcome(None)
                return whole if whole.failure else Verification(self.records, self.last, found.failure)
            return Verification(self.records, self.last, found.failure)
        if self.last:
            checkpoint.write(
                self.tenant_id, Checkpoint(self.last, self.mac, self.anchor.sequence if self.anchor else 0)
            )
        return Verification(self.records, self.last)

    def run(self, start: Checkpoint | None) -> None:
        # The anchor before the head, the head before the records: each is then at most as new as
        # what it is compared with.
        self.read_anchor()
        head, head_mac, highest = rows.bounds(self.tenant_id)
        self.ledger = Ledger(self.tenant_id, self.anchor.erased if self.anchor else ())
        if start is not None:
            self._continue_from(start)
        after = BEFORE_ALL if start is None else start.sequence
        for batch in rows.batches(self.tenant_id, after, max(head, highest)):
            for row in self._with_keys(batch):
                self._check(row)
        self.check_end(head, head_mac)
        if self.absent is not None:
            raise self.absent
        if late := timestamps.fault(self.tenant_id):
            raise _Found(late[0], "timestamp_mismatch", late[1])

    def read_anchor(self) -> None:
        try:
            self.anchor = anchor.read(self.tenant_id)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise _Found(0, "anchor_damaged", f"the anchor cannot be read: {error}") from None

    def check_end(self, head: int, head_mac: str) -> None:
        anchored = self.anchor.sequence if self.anchor else 0
        known = max(head, anchored, self.checked.sequence if self.checked else 0)
        if known > self.last:
            raise _Found(self.last + 1, "cut_off", f"{known} records were written and {self.last} are left")
        if head != self.last or head_mac != self.mac:
            raise _Found(self.last, "head_forged", f"the head row says {head}, the last record is {self.last}")
        if self.anchor is None and self.last and not _anchored_soon(self.tenant_id):
            raise _Found(self.last, "anchor_missing", "no anchor is kept for these records")
        if self.anchor and self.anchor.conflict is not None:
            raise _Found(self.anchor.conflict, "replaced", "two records were written under this number")
        self._check_age_of_anchor()

    def _continue_from(self, start: Checkpoint) -> None:
        """Believes the records up to the checkpoint, on conditions."""
        macs = rows.macs(self.tenant_id, [start.sequence, *(self.anchor.recent if self.anchor else ())])
        if start.sequence not in macs:
            raise _Found(start.sequence, "cut_off", f"{start.sequence} records were found before")
        for number, mac in macs.items():
            self._compare(number, mac)
        if (count := rows.count(self.tenant_id, start.sequence)) != start.sequence:
            raise _Found(0, "deleted", f"{count} of {start.sequence} records are left")
        numbers = random.sample(range(1, start.sequence + 1), min(SAMPLE, start.sequence))
        wanted = sorted({*numbers, *(number - 1 for number in numbers)} - {0})
        previous: Row | None = None
        for row in self._with_keys(rows.numbered(self.tenant_id, wanted)):
            self._check_alone(row, row.sequence)
            if previous is not None and previous.sequence == row.sequence - 1:
                self._check_link(row, previous.mac)
            previous = row
        self.records += len(wanted)
        self.last, self.mac = start.sequence, start.mac

    def _with_keys(self, batch: list[Row]) -> list[Row]:
        self.ledger.open_keys({row.fields[name] for row in batch for name in ("actor_id", "subject_id")})
        return batch

    def _check(self, row: Row) -> None:
        self.records += 1
        expected = self.last + 1
        if row.sequence < expected:
            raise _Found(expected, "added", f"number {row.sequence} is there once more")
        if row.sequence > expected:
            raise _Found(expected, "deleted", f"number {expected} is missing; the next found is {row.sequence}")
        self._check_alone(row, expected)
        self._check_link(row, self.mac)
        self._compare(expected, row.mac)
        self.last, self.mac = expected, row.mac
        self.anchored = max(self.anchored, row.fields["anchored"])

    def _check_alone(self, row: Row, expected: int) -> None:
        fault = self.ledger.fault(row.fields, row.mac, row.sealed)
        if fault and fault[0] == "edited" and (written := self._written_as(row)):
            raise _Found(expected, "reordered", f"the record under this number was written as number {written}")
        if fault and fault[0] in ABSENCES:
            self.absent = self.absent or _Found(expected, *fault)
        elif fault:
            raise _Found(expected, *fault)

    def _check_link(self, row: Row, previous: str) -> None:
        if row.fields["previous_mac"] != previous:
            raise _Found(row.sequence, "broken_link", "it was written after another record than the one before it")

    def _compare(self, number: int, mac: str) -> None:
        kept = self.anchor.recent.get(number, mac) if self.anchor else mac
        checked = self.checked.mac if self.checked and self.checked.sequence == number else mac
        if not mac == kept == checked:
            raise _Found(number, "replaced", "it is not the record that was anchored")

    def _written_as(self, row: Row) -> int | None:
        """The number under which the record's MAC is right. Linear in the length of the chain,
        and run once, for the first failure."""
        head, _mac, highest = rows.bounds(self.tenant_id)
        for number in range(1, max(head, highest, self.anchor.sequence if self.anchor else 0) + 1):
            if hmac.compare_digest(mac_of({**row.fields, "sequence": number}, self.ledger.mac_key), row.mac):
                return number
        return None

    def _check_age_of_anchor(self) -> None:
        said = max(self.anchored, self.checked.anchored if self.checked else 0)
        if self.anchor is None or self.anchor.sequence >= said:
            return
        self.read_anchor()  # records may have been written since it was read
        if self.anchor is None or self.anchor.sequence < said:
            reached = self.anchor.sequence if self.anchor else 0
            raise _Found(reached, "anchor_replaced", f"the anchor says {reached}, but had reached {said}")


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
        head, head_mac, highest = rows.bounds(tenant_id)
        macs = rows.macs(tenant_id, [highest, *(walk.anchor.recent if walk.anchor else ())])
        if highest in macs:
            walk.last, walk.mac = highest, macs[highest]
        walk.check_end(head, head_mac)
        for number, mac in macs.items():
            walk._compare(number, mac)
    except _Found as found:
        return found.failure
    return None
