"""Small JSON files that nobody without the operator's secret can write: signed with Ed25519."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography.exceptions import InvalidSignature

from gateway.audit import keys
from gateway.audit.chain import canonical
from gateway.types import JSON


def read(path: Path, kind: str, tenant_id: int) -> JSON:
    """What was signed. Raises `ValueError` on a file that is damaged, forged, of another kind or
    another tenant's."""
    try:
        whole = json.loads(path.read_text())
        data, signature = whole["data"], bytes.fromhex(whole["signature"])
        keys.signing_key().public_key().verify(signature, canonical(data).encode())
    except (KeyError, TypeError, InvalidSignature):
        raise ValueError(f"{path.name} is not signed by this installation") from None
    if (data["kind"], data["tenant"]) != (kind, tenant_id):
        raise ValueError(f"{path.name} was written for another place")
    return dict(data)


def write(path: Path, kind: str, tenant_id: int, data: JSON) -> None:
    """Replaces the file at once: a reader sees the old one or the new one."""
    whole = {**data, "kind": kind, "tenant": tenant_id}
    signature = keys.signing_key().sign(canonical(whole).encode()).hex()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = path.with_suffix(".new")
    with fresh.open("w") as file:
        file.write(canonical({"data": whole, "signature": signature}))
        file.flush()
        os.fsync(file.fileno())
    os.replace(fresh, path)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """One writer at a time, of all processes that share the folder."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
