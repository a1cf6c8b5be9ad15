"""What a record may lack, and what it must have: who was erased, which texts have expired, whose
keys are there. Read from the chain's own records, whose MACs vouch for it.

Faults: `edited`, `content_missing`, `content_edited`, `key_missing` (a person's key is gone and no
record says that they were erased), `key_forged` (the row of a key is not as it was made),
`not_erased` (a key is there although its person was erased).
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping
from typing import Any

from accounts.tenancy import tenant_scope
from gateway.audit import keys
from gateway.audit.chain import fields_of, mac_of
from gateway.conf import configured
from gateway.models import AuditRecord, AuditSubject

Fault = tuple[str, str]  # code and detail
EVENTS = (AuditRecord.Kind.ERASURE, AuditRecord.Kind.RETENTION, AuditRecord.Kind.POLICY)
NO_TEXT = frozenset({AuditRecord.Kind.EMBEDDING, AuditRecord.Kind.ROUTING, *EVENTS})


class Ledger:
    """Of one tenant; opens tenant scopes of its own. `erased` may name further subjects, such as
    those that the anchor remembers."""

    def __init__(self, tenant_id: int, erased: Iterable[str] = ()) -> None:
        self.tenant_id = tenant_id
        self.mac_key = keys.tenant_key(configured().audit_key, tenant_id)
        self.erased = set(erased)
        self.expired_through = 0
        self._keys: dict[Any, bytes | Fault] = {}
        self._read_events()

    def fault(self, fields: Mapping[str, Any], mac: str, sealed: bytes | None) -> Fault | None:
        """What is wrong with one record taken by itself, or None."""
        if not hmac.compare_digest(mac_of(fields, self.mac_key), mac):
            return "edited", "its fields do not match its MAC"
        for subject in {fields["actor_id"], fields["subject_id"]}:
            if subject is not None and isinstance(found := self._key(subject), tuple):
                return found
        if fields["kind"] in NO_TEXT or str(fields["subject_id"]) in self.erased:
            return None
        if sealed is None:
            return None if self.expired(fields["sequence"]) else ("content_missing", "its text is gone")
        return self._text_fault(fields, sealed)

    def expired(self, sequence: int) -> bool:
        """Whether retention has said that the text of this number goes."""
        return sequence <= self.expired_through

    def open_keys(self, subjects: Iterable[Any]) -> None:
        """Reads the keys of these subjects at once; for a batch of records."""
        missing = {each for each in subjects if each is not None} - self._keys.keys()
        if missing:
            with tenant_scope(self.tenant_id):
                rows = {row.pk: row for row in AuditSubject.objects.filter(pk__in=missing)}
            self._keys.update({each: self._judged(each, rows.get(each)) for each in missing})

    def _key(self, subject: Any) -> bytes | Fault:
        if subject not in self._keys:
            self.open_keys([subject])
        return self._keys[subject]

    def _judged(self, subject: Any, row: AuditSubject | None) -> bytes | Fault:
        erased = str(subject) in self.erased
        if row is None:
            return b"" if erased else ("key_missing", "the key of its person is gone, and no record says why")
        if erased:
            return "not_erased", "its person was erased, but their key is there again"
        try:
            return row.key()
        except keys.Unreadable:
            return "key_forged", "the row that says who its person is was changed"

    def opened(self, fields: Mapping[str, Any], sealed: bytes) -> tuple[bytes, bytes] | None:
        """Salt and text, or None where they cannot be read."""
        key = self._key(fields["subject_id"])
        try:
            return keys.unseal(key, fields["id"], sealed) if isinstance(key, bytes) else None
        except keys.Unreadable:
            return None

    def _text_fault(self, fields: Mapping[str, Any], sealed: bytes) -> Fault | None:
        found = self.opened(fields, sealed)
        if found is None or not hmac.compare_digest(keys.text_digest(*found), fields["content_digest"]):
            return "content_edited", "its text does not match its digest"
        return None

    def _read_events(self) -> None:
        with tenant_scope(self.tenant_id):
            events = list(AuditRecord.objects.filter(tenant_id=self.tenant_id, kind__in=EVENTS).order_by("sequence"))
        for record in events:
            if not hmac.compare_digest(mac_of(fields_of(record), self.mac_key), record.mac):
                continue  # the walk finds it; until then it excuses nothing
            if record.kind == AuditRecord.Kind.ERASURE:
                self.erased.add(record.detail["subject"])
            elif record.kind == AuditRecord.Kind.RETENTION:
                self.expired_through = max(self.expired_through, record.detail["through"])
