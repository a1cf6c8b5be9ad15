"""Which providers may read a tenant's texts as they are."""

from __future__ import annotations

import hashlib
import hmac
import time
from functools import cache

from accounts.tenancy import in_tenant
from gateway.audit.keys import tenant_key
from gateway.conf import configured
from gateway.models import RedactionPolicy
from gateway.profiles import LOCAL, EmbeddingProfile
from gateway.redaction.detector import Detector, detector
from gateway.redaction.placeholders import Placeholders
from gateway.redaction.redaction import Redaction, hiding, in_time
from gateway.types import Call, EmbeddingCall, Trace

FRESH = 2.0  # seconds for which a process may go by what it read; so long a clearance outlives its end

_read: dict[int, tuple[float, list[str] | None]] = {}


def redaction_of(call: Call) -> Redaction:
    scope = call.caller.conversation_id or str(call.id)
    return Redaction(call, _detector, _key(call.caller.tenant_id, scope), configured().redaction_seconds)


async def cleared(tenant_id: int, provider: str) -> bool:
    """The tenant's policy decides, and the operator's setting where it has none."""
    if provider in LOCAL:  # nothing leaves the process
        return True
    read, providers = _read.get(tenant_id, (-FRESH, None))
    if time.monotonic() - read >= FRESH:
        providers = await in_tenant(tenant_id, _providers, tenant_id)
        _read[tenant_id] = time.monotonic(), providers
    return provider in (configured().cleared_providers if providers is None else providers)


async def redacted_embedding(call: EmbeddingCall, profile: EmbeddingProfile, trace: Trace) -> EmbeddingCall:
    """The texts as their provider may read them. The placeholders are the same in all of a tenant's
    embeddings, so that a question finds the passage that holds the same value. Raises `RedactionFailed`."""
    tenant_id = call.caller.tenant_id
    if await cleared(tenant_id, profile.provider):
        return call
    placeholders = Placeholders(_key(tenant_id, "embeddings"), call.texts)

    def redact() -> tuple[str, ...]:
        hide = hiding(_detector(), placeholders, call.texts)
        return tuple(hide(text) for text in call.texts)

    texts = await in_time(redact, configured().redaction_seconds)
    trace.redaction = placeholders.counted(texts)
    return EmbeddingCall(call.caller, texts, call.kind, call.model, call.id)


def forget(tenant_id: int) -> None:
    """Whoever changed a policy sees it kept at once, in this process."""
    _read.pop(tenant_id, None)


def _providers(tenant_id: int) -> list[str] | None:
    found: list[str] | None = (
        RedactionPolicy.objects.filter(tenant_id=tenant_id).values_list("cleared", flat=True).first()
    )
    return found


def _key(tenant_id: int, scope: str) -> bytes:
    return hmac.digest(tenant_key(configured().audit_key, tenant_id), f"redaction\0{scope}".encode(), hashlib.sha256)


def _detector() -> Detector:
    conf = configured()
    return _made(conf.redaction_detector, conf.presidio_model)


@cache
def _made(name: str, model: str) -> Detector:
    return detector(name, model)
