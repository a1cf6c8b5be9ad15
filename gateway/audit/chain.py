"""What a record's digest and MAC are made of. Pure functions: no database, no clock.

`mac = HMAC-SHA256(tenant's key, canonical JSON of every field but mac)`. The sequence number and
the predecessor's MAC are among the fields, so one MAC vouches for all records before it. The key
is derived per tenant, so a record of one tenant never passes for another's.

Does not catch: somebody who holds the audit key and can write to the database and the anchor.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import math
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from gateway.models import AuditRecord

COST_PLACES = Decimal("0.0000000001")
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
EXACT_FLOAT = 1e15

METADATA = tuple(sorted(field.attname for field in AuditRecord._meta.concrete_fields if field.attname != "mac"))


def clean(value: Any) -> Any:
    """`value` as PostgreSQL gives it back from jsonb: without NUL and lone surrogates, without
    NaN, infinity, negative zero and numbers beyond the precision of a float."""
    if isinstance(value, str):
        return UNSTORABLE.sub("\ufffd", value)
    if isinstance(value, bool | int) or value is None:
        return value
    if isinstance(value, float):
        return round(value, 6) + 0.0 if math.isfinite(value) and abs(value) < EXACT_FLOAT else None
    if isinstance(value, dict):
        return {clean(str(key)): clean(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [clean(each) for each in value]
    return clean(str(value))


def canonical(value: Any) -> str:
    """One text for one value: sorted keys, no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def tenant_key(secret: str, tenant_id: int) -> bytes:
    return hmac.digest(secret.encode(), f"citedesk.audit.{tenant_id}".encode(), "sha256")


def content_digest(salt: str, body: str) -> str:
    return hashlib.sha256(f"{salt}\n{body}".encode()).hexdigest()


def inputs_digest(texts: Iterable[str]) -> str:
    """A digest of texts that are kept elsewhere. Length-prefixed, so that no two lists share one."""
    whole = hashlib.sha256()
    for text in texts:
        encoded = text.encode("utf-8", "surrogatepass")
        whole.update(f"{len(encoded)}:".encode())
        whole.update(encoded)
    return whole.hexdigest()


def record_mac(record: AuditRecord, key: bytes) -> str:
    """The MAC that the record should carry, over its fields as they are now."""
    fields = {name: _plain(getattr(record, name)) for name in METADATA}
    return hmac.new(key, canonical(fields).encode(), "sha256").hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return str(value.quantize(COST_PLACES))
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    if isinstance(value, str | int | dict | list) or value is None:
        return value
    return str(value)
