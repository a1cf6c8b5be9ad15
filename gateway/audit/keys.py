"""The keys of the audit log, all derived from the operator's one secret, and what is sealed by them.

- Each tenant has a MAC key. Who is given it can check that tenant's records, and forge them.
- Each person of a tenant has a random data key, kept wrapped by the tenant's wrapping key. What
  their records say is sealed by it, so that destroying the row destroys the text (A4).
- What is looked up by a digest of its text has a key for that, so that no digest confirms a guess.
- One Ed25519 key signs what is kept or handed out as a file; everybody may check it.

A sealed text is AES-256-GCM over a random salt and the compressed text, bound to its record. The
record's digest is of salt and text: it proves the text to who has it, and without the salt it
confirms no guess.

Does not catch: a copy of the key's row that was made before it was destroyed, such as a backup, in
the hands of somebody who has the operator's secret.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import zlib
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.conf import configured

NONCE, SALT = 12, 16
FAST = 1  # of zlib's levels: prompts repeat themselves enough for it


class Unreadable(Exception):
    """The text or key was not sealed by this key for this place, or its key is gone."""


def tenant_key(secret: str, tenant_id: int) -> bytes:
    """Makes the MACs of the tenant's records."""
    return _derived(secret, f"citedesk.audit.{tenant_id}")


def lookup_key(secret: str, tenant_id: int) -> bytes:
    """Makes the digests by which kept answers are found (`gateway.cache`)."""
    return _derived(secret, f"citedesk.cache.{tenant_id}")


def signing_key() -> Ed25519PrivateKey:
    return _signing_key(configured().audit_key)


def public_key() -> str:
    """In hexadecimal: with it anybody can check an anchor or an export."""
    return signing_key().public_key().public_bytes_raw().hex()


def new_data_key(tenant_id: int, subject_id: object, user_id: int | None) -> bytes:
    """A fresh data key, wrapped for this person alone."""
    return _seal(
        _wrapping_key(configured().audit_key, tenant_id), AESGCM.generate_key(256), _owner(subject_id, user_id)
    )


def data_key(tenant_id: int, subject_id: object, user_id: int | None, wrapped: bytes) -> bytes:
    """The data key. Raises `Unreadable` if the row is not the one that was made for the person."""
    return _unseal(_wrapping_key(configured().audit_key, tenant_id), wrapped, _owner(subject_id, user_id))


def seal(key: bytes, record_id: object, text: str) -> tuple[bytes, str]:
    """The sealed text, and its digest for the record."""
    salt, encoded = secrets.token_bytes(SALT), text.encode()
    return _seal(key, salt + zlib.compress(encoded, FAST), str(record_id)), text_digest(salt, encoded)


def unseal(key: bytes, record_id: object, sealed: bytes) -> tuple[bytes, bytes]:
    """Salt and text. Raises `Unreadable`."""
    plain = _unseal(key, sealed, str(record_id))
    return plain[:SALT], zlib.decompress(plain[SALT:])


def text_digest(salt: bytes, text: bytes) -> str:
    return hashlib.sha256(salt + text).hexdigest()


def keyed_digest(key: bytes, digest: str) -> str:
    """A digest that nobody can compare with a guess once the key is destroyed."""
    return hmac.digest(key, digest.encode(), "sha256").hex()


def _owner(subject_id: object, user_id: int | None) -> str:
    return f"{subject_id} {user_id}"


def _seal(key: bytes, plain: bytes, bound_to: str) -> bytes:
    nonce = secrets.token_bytes(NONCE)
    return nonce + AESGCM(key).encrypt(nonce, plain, bound_to.encode())


def _unseal(key: bytes, sealed: bytes, bound_to: str) -> bytes:
    try:
        return AESGCM(key).decrypt(sealed[:NONCE], sealed[NONCE:], bound_to.encode())
    except (InvalidTag, ValueError):
        raise Unreadable from None


@lru_cache(maxsize=4096)
def _derived(secret: str, label: str) -> bytes:
    return hmac.digest(secret.encode(), label.encode(), "sha256")


def _wrapping_key(secret: str, tenant_id: int) -> bytes:
    return _derived(secret, f"citedesk.audit.wrapping.{tenant_id}")


@lru_cache(maxsize=4)
def _signing_key(secret: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(_derived(secret, "citedesk.audit.signing"))
