"""Keys of sources, sealed at rest and opened only while a worker fetches with them.

AES-256-GCM under a key of each tenant's, derived from the operator's secret, and bound to the source and
to the address that it was entered for: it does not open in another row, and who points the source at
another server has to enter it again (S8).

Does not catch: somebody who has both the database and the operator's secret.
"""

from __future__ import annotations

import hmac
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.conf import configured
from knowledge.models import Source
from knowledge.sources.errors import SourceRefused

NONCE = 12


def seal(source: Source, secret: str) -> bytes:
    nonce = secrets.token_bytes(NONCE)
    return nonce + AESGCM(_key(source.tenant_id)).encrypt(nonce, secret.encode(), _place(source))


def unseal(source: Source) -> str:
    """The key, or empty where the source has none. Raises `SourceRefused` for one that was sealed
    elsewhere or under another secret."""
    if source.credential is None:
        return ""
    sealed = bytes(source.credential)
    try:
        return AESGCM(_key(source.tenant_id)).decrypt(sealed[:NONCE], sealed[NONCE:], _place(source)).decode()
    except (InvalidTag, ValueError):
        raise SourceRefused("the saved key was entered for another address: enter it again") from None


def _place(source: Source) -> bytes:
    return f"citedesk source {source.pk} {source.kind} {source.settings.get('url', '')}".encode()


def _key(tenant_id: int) -> bytes:
    return hmac.digest(configured().audit_key.encode(), f"citedesk.sources.{tenant_id}".encode(), "sha256")
