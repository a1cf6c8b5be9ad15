"""How far a chain was found intact: `<data_dir>/audit-checkpoint/<tenant_id>.json`, signed.

Does not catch: somebody who takes the file away, or puts back an older one. Then more is read.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gateway.audit import signed
from gateway.conf import configured

KIND = "checkpoint"


@dataclass(frozen=True)
class Checkpoint:
    """Every record up to number `sequence`, whose MAC is `mac`, was found good, and the anchor had
    reached `anchored`."""

    sequence: int
    mac: str
    anchored: int


def read(tenant_id: int) -> Checkpoint | None:
    """None where there is none that can be believed: then the whole chain is read."""
    path = _path(tenant_id)
    try:
        data = signed.read(path, KIND, tenant_id)
    except (OSError, ValueError):
        return None
    return Checkpoint(int(data["sequence"]), str(data["mac"]), int(data["anchored"]))


def write(tenant_id: int, found: Checkpoint) -> None:
    path = _path(tenant_id)
    with signed.locked(path):
        signed.write(path, KIND, tenant_id, {"sequence": found.sequence, "mac": found.mac, "anchored": found.anchored})


def _path(tenant_id: int) -> Path:
    return configured().data_dir / "audit-checkpoint" / f"{tenant_id}.json"
