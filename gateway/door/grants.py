"""Who is at the door: an API key, and what its tenant lets programs send.

A key that was checked is believed for `TRUSTED` seconds, so that a busy program costs the database
little; one that was revoked, and the running answers of it, end within twice that (T5).
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass

from accounts.permissions import key_and_actor
from accounts.tenancy import in_database, tenant_scope
from gateway.door.refusals import Refused
from gateway.door.repositories import Rule, rules
from gateway.door.secrets import Kind
from gateway.models import DoorPolicy
from gateway.types import Caller, Classification

SCOPE = "gateway"
TRUSTED = 2.0  # seconds
MOST_KNOWN = 10_000
PURPOSE = "gateway"  # of a key that names none


@dataclass(frozen=True)
class Grant:
    """What one key may do, and what its tenant's policy keeps back."""

    caller: Caller
    models: tuple[str, ...]
    secrets: frozenset[Kind]
    repositories: tuple[Rule, ...]


_known: dict[str, tuple[Grant, float]] = {}


def key_of(headers: Mapping[str, str]) -> str:
    """The key as either SDK sends it. Raises `Refused`."""
    kind, _, text = headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer" and text.strip():
        return text.strip()
    if headers.get("x-api-key"):
        return headers["x-api-key"].strip()
    raise _nobody()


async def granted(text: str) -> Grant:
    """Raises `Refused`: 401 for what is no live key, 403 for one without the scope."""
    digest = hashlib.sha256(text.encode()).hexdigest()
    known = _known.get(digest)
    if known is not None and known[1] > time.monotonic():
        return known[0]
    _known.pop(digest, None)
    asked = time.monotonic()
    grant = await in_database(_look_up, text)
    if len(_known) >= MOST_KNOWN:
        _known.clear()
    _known[digest] = (grant, asked + TRUSTED)
    return grant


async def revoked(text: str) -> Refused:
    """Returns when the key is good no longer, and why; for a watch beside a running answer."""
    while True:
        await asyncio.sleep(TRUSTED)
        try:
            await granted(text)
        except Refused as refused:
            return refused


def _look_up(text: str) -> Grant:
    found = key_and_actor(text)
    if found is None:
        raise _nobody()
    key, actor = found
    if SCOPE not in actor.scopes:
        raise Refused(403, "scope_missing", f"This API key does not have the scope {SCOPE!r}.")
    with tenant_scope(actor.tenant_id):
        policy = DoorPolicy.objects.filter(tenant_id=actor.tenant_id).first() or DoorPolicy()
    caller = Caller(
        tenant_id=actor.tenant_id,
        user_id=actor.user_id,
        user_label=actor.label,
        purpose=key.purpose or PURPOSE,
        classification=Classification(policy.classification),
        api_key_id=actor.api_key_id,
    )
    blocks = {
        Kind.PRIVATE_KEY: policy.block_private_keys,
        Kind.CLOUD_KEY: policy.block_cloud_keys,
        Kind.TOKEN: policy.block_tokens,
    }
    secrets = frozenset(kind for kind, on in blocks.items() if on)
    return Grant(caller, tuple(key.allowed_models), secrets, tuple(rules(policy.blocked_repositories)))


def _nobody() -> Refused:
    return Refused(401, "not_signed_in", "Send a live API key of Citedesk as a bearer token, or as x-api-key.")
