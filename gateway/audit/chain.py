"""What a record's digest and MAC are made of. Pure functions: no database, no clock.

`mac = HMAC-SHA256(tenant's key, canonical JSON of every field but mac)`, without those of `LATER` that
are as empty as they were before they existed. The sequence number and
the predecessor's MAC are among the fields, so one MAC vouches for all records before it. The key
is derived per tenant (`keys`), so a record of one tenant never passes for another's.

Does not catch: somebody who holds the audit key and can write to the database and the anchor.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import math
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from gateway.models import AuditRecord

COST_PLACES = Decimal("0.0000000001")
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
EXACT_FLOAT = 1e15

# Fields that came later: a record that has nothing to say in one is sealed as if there were none, so
# that chains and exports from before stay verifiable. Nothing is this value alone, no other that is empty.
LATER: Mapping[str, Any] = {"gateways": []}

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
    return ENCODER.encode(value)


def inputs_digest(texts: Iterable[str]) -> str:
    """A digest of texts that are kept elsewhere. Length-prefixed, so that no two lists share one."""
    whole = hashlib.sha256()
    for text in texts:
        encoded = text.encode("utf-8", "surrogatepass")
        whole.update(f"{len(encoded)}:".encode())
        whole.update(encoded)
    return whole.hexdigest()


def fields_of(record: AuditRecord) -> dict[str, Any]:
    """What the record's MAC is made of, by name."""
    return {name: getattr(record, name) for name in METADATA}


def mac_of(fields: Mapping[str, Any], key: bytes) -> str:
    """The MAC that a record with these fields should carry."""
    said = {name: value for name, value in fields.items() if name not in LATER or value != LATER[name]}
    return hmac.digest(key, canonical(said).encode(), "sha256").hex()


def _plain(value: Any) -> str:
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    if isinstance(value, Decimal):
        return str(value.quantize(COST_PLACES))
    raise TypeError(f"{type(value).__name__} has no canonical form")


ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=_plain)
