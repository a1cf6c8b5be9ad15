"""Writes a tenant's records as JSON Lines, with the proof that they are what was written.

- First line, `header`: whose, which numbers, and the head of the chain at that time.
- A line `event` for each erasure and retention outside of the numbers, which explains missing texts.
- A line `record` for each number: every field that its MAC covers, the MAC, and the text with its
  salt, or what became of it.
- Last line, `seal`: the digest of all lines before, signed with the installation's Ed25519 key.

Whoever has the file can check the signature by the public key alone, and the digests and links of
the chain; with the tenant's MAC key also each MAC (`offline`).

Reads in batches, each in a short transaction.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO

from django.db.models import Max, Min
from django.utils import timezone

from accounts.models import Tenant
from accounts.tenancy import tenant_scope
from gateway.audit import keys, rows
from gateway.audit.chain import canonical
from gateway.audit.ledger import EVENTS, Ledger
from gateway.audit.rows import Row
from gateway.models import AuditRecord
from gateway.types import JSON

FORMAT = 1


@dataclass
class _Lines:
    """Writes lines and keeps their digest."""

    file: TextIO
    digest: Any = field(default_factory=hashlib.sha256)

    def write(self, line: JSON) -> None:
        text = canonical(line) + "\n"
        self.digest.update(text.encode())
        self.file.write(text)


def export(tenant: Tenant, path: Path, *, since: datetime | None = None, until: datetime | None = None) -> int:
    """Writes the records from the first after `since` to the last before `until`; says how many. The
    file appears when it is whole. Outside of any tenant scope."""
    first, last = _numbers(tenant.pk, since, until)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            count = _write(_Lines(file), tenant, first, last)
        os.replace(fresh, path)
    finally:
        fresh.unlink(missing_ok=True)
    return count


def _numbers(tenant_id: int, since: datetime | None, until: datetime | None) -> tuple[int, int]:
    """One run of numbers without a gap, whatever the clock did meanwhile."""
    with tenant_scope(tenant_id):
        records = AuditRecord.objects.filter(tenant_id=tenant_id)
        after = records.filter(at__gte=since) if since else records
        before = records.filter(at__lt=until) if until else records
        first = after.aggregate(number=Min("sequence"))["number"]
        last = before.aggregate(number=Max("sequence"))["number"]
    return (first, last) if first and last and first <= last else (1, 0)


def _write(lines: _Lines, tenant: Tenant, first: int, last: int) -> int:
    head, head_mac, _highest = rows.bounds(tenant.pk)
    ledger = Ledger(tenant.pk)
    lines.write(
        {
            "type": "header",
            "format": FORMAT,
            "tenant": {"id": tenant.pk, "slug": tenant.slug},
            "first": first,
            "last": last,
            "head": {"sequence": head, "mac": head_mac},
            "made_at": timezone.now(),
            "public_key": keys.public_key(),
        }
    )
    for number in _events(tenant.pk, first, last):
        for row in rows.numbered(tenant.pk, [number]):
            lines.write({"type": "event", "fields": row.fields, "mac": row.mac})
    count = 0
    for batch in rows.batches(tenant.pk, first - 1, last):
        ledger.open_keys({row.fields[name] for row in batch for name in ("actor_id", "subject_id")})
        for row in batch:
            lines.write({"type": "record", "fields": row.fields, "mac": row.mac, **_text(row, ledger)})
            count += 1
    digest = lines.digest.hexdigest()
    lines.write({"type": "seal", "records": count, "sha256": digest, "signature": sign(digest)})
    return count


def sign(digest: str) -> str:
    return keys.signing_key().sign(signed_words(digest)).hex()


def signed_words(digest: str) -> bytes:
    """What the signature is of: nothing else that we sign reads like it."""
    return f"citedesk audit export {digest}".encode()


def _events(tenant_id: int, first: int, last: int) -> Iterator[int]:
    with tenant_scope(tenant_id):
        events = AuditRecord.objects.filter(tenant_id=tenant_id, kind__in=EVENTS).exclude(sequence__range=(first, last))
        yield from list(events.order_by("sequence").values_list("sequence", flat=True))


def _text(row: Row, ledger: Ledger) -> JSON:
    """`text` is `none`, `kept` with `salt` and `content`, `erased`, `expired` or `unreadable`."""
    if row.fields["kind"] != AuditRecord.Kind.COMPLETION:
        return {"text": "none"}
    if str(row.fields["subject_id"]) in ledger.erased:
        return {"text": "erased"}
    if row.sealed is None:
        return {"text": "expired" if ledger.expired(row.sequence) else "unreadable"}
    found = ledger.opened(row.fields, row.sealed)
    if found is None:
        return {"text": "unreadable"}
    salt, text = found
    return {"text": "kept", "salt": salt.hex(), "content": json.loads(text)}
