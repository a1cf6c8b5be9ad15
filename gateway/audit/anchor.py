"""The head of each chain, kept outside the database: `<data_dir>/audit-anchor/<tenant_id>.json`.

Whoever can rewrite the tables can cut the tail and set the head row back; the anchor still knows
the last record. It only moves forward. It also remembers the MACs of its last records: when a
number is given out a second time with another MAC, somebody cut the tail and went on, and that
stays noted in the file.

Does not catch: somebody who can write to both the database and this folder. Web and worker
processes on several machines must share the folder (or ship it to storage that cannot be
overwritten).
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway.conf import configured

REMEMBERED = 64


@dataclass(frozen=True)
class Anchor:
    """The newest record that was committed, and the first number found twice, or None."""

    sequence: int
    mac: str
    conflict: int | None = None


def folder() -> Path:
    return configured().data_dir / "audit-anchor"


def read(tenant_id: int) -> Anchor | None:
    """The anchor, or None where none was ever written. Raises `ValueError` on a damaged file."""
    path = _path(tenant_id)
    if not path.exists():
        return None
    recent, conflict = _load(path)
    last = max(recent)
    return Anchor(last, recent[last], conflict)


def tenants() -> list[int]:
    """Every tenant that has an anchor, deleted ones too."""
    if not folder().is_dir():
        return []
    return sorted(int(path.stem) for path in folder().glob("*.json") if path.stem.isdecimal())


def advance(tenant_id: int, sequence: int, mac: str) -> None:
    """Notes a committed record. Records may arrive out of order, from several processes."""
    with _locked(tenant_id) as path:
        recent, conflict = _load(path) if path.exists() else ({}, None)
        if recent and sequence <= max(recent) - REMEMBERED:
            return
        if recent.setdefault(sequence, mac) != mac:
            conflict = sequence if conflict is None else min(conflict, sequence)
        kept = dict(sorted(recent.items())[-REMEMBERED:])
        _store(path, {"tenant": tenant_id, "recent": kept, "conflict": conflict})


def _path(tenant_id: int) -> Path:
    return folder() / f"{tenant_id}.json"


def _load(path: Path) -> tuple[dict[int, str], int | None]:
    data = json.loads(path.read_text())
    recent = {int(number): str(mac) for number, mac in data["recent"].items()}
    if not recent:
        raise ValueError(f"{path.name} holds no record")
    return recent, data["conflict"]


def _store(path: Path, data: object) -> None:
    fresh = path.with_suffix(".new")
    with fresh.open("w") as file:
        json.dump(data, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(fresh, path)


@contextmanager
def _locked(tenant_id: int) -> Iterator[Path]:
    path = _path(tenant_id)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield path
