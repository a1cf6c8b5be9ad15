"""The head of each chain, kept outside the database: `<data_dir>/audit-anchor/<tenant_id>.json`, signed.

Whoever can rewrite the tables can cut the tail and set the head row back; the anchor still knows
the last record. It only moves forward. It also remembers the MACs of its last records: when a
number is given out a second time with another MAC, somebody cut the tail and went on, and that
stays noted in the file. And it remembers who was erased, so that a restored backup does not bring
them back unnoticed.

Each record carries the number that its writer knew to be anchored, so an older anchor that was put
back is found by the records after it.

Does not catch: somebody who can write to the database and this folder, and puts back both as they
once were. A copy elsewhere does: an export, a timestamp, the checkpoint on other storage. Web and
worker processes on several machines must share the folder.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
from dataclasses import dataclass, field
from pathlib import Path

from gateway.audit import signed
from gateway.conf import configured
from gateway.types import JSON

KIND = "anchor"
REMEMBERED = 64
SOON = 0.1  # seconds

logger = logging.getLogger(__name__)

_known: dict[Path, int] = {}


@dataclass(frozen=True)
class Anchor:
    """The newest record that was committed; the first number found twice, or None; the MACs that
    are remembered; the subjects that were erased."""

    sequence: int
    mac: str
    conflict: int | None = None
    recent: dict[int, str] = field(default_factory=dict)
    erased: frozenset[str] = frozenset()


def folder() -> Path:
    return configured().data_dir / "audit-anchor"


def read(tenant_id: int) -> Anchor | None:
    """The anchor, with all that this process knows to be committed, or None where none was ever written.
    Raises `ValueError` on a damaged or forged file."""
    flush()
    return _read(tenant_id)


def _read(tenant_id: int) -> Anchor | None:
    path = _path(tenant_id)
    if not path.exists():
        return None
    data = signed.read(path, KIND, tenant_id)
    recent = {int(number): str(mac) for number, mac in data["recent"].items()}
    last = max(recent)
    return Anchor(last, recent[last], data["conflict"], recent, frozenset(data["erased"]))


def known(tenant_id: int) -> int:
    """A number that this process has seen in the anchor, or 0. Costs nothing."""
    return _known.get(_path(tenant_id), 0)


def tenants() -> list[int]:
    """Every tenant that has an anchor, deleted ones too."""
    flush()
    if not folder().is_dir():
        return []
    return sorted(int(path.stem) for path in folder().glob("*.json") if path.stem.isdecimal())


def advance_soon(tenant_id: int, sequence: int, mac: str) -> None:
    """Notes a committed record within `SOON` seconds, together with those that come meanwhile: a file that is
    safely on the disk for each record would cost more than the record. A process that is killed leaves out
    its last ones, as if they had not been anchored yet; the next record makes up for it."""
    _waiting.add(tenant_id, sequence, mac)


def flush() -> None:
    """Notes at once what this process committed."""
    _waiting.write()


def advance(tenant_id: int, *records: tuple[int, str]) -> None:
    """Notes committed records, each by number and MAC. They may arrive out of order, from several processes.
    Raises `ValueError` on a damaged file, which is left as it is for `verify` to find."""
    path = _path(tenant_id)
    with signed.locked(path):
        before = _read(tenant_id)
        recent = dict(before.recent) if before else {}
        conflict = before.conflict if before else None
        for sequence, mac in records:
            if recent and sequence <= max(recent) - REMEMBERED:
                continue
            if recent.setdefault(sequence, mac) != mac:
                conflict = sequence if conflict is None else min(conflict, sequence)
        _write(tenant_id, recent, conflict, before.erased if before else frozenset())


def note_erased(tenant_id: int, subject_id: str) -> None:
    """Notes that a subject's key was destroyed. Its record has been anchored before."""
    flush()
    path = _path(tenant_id)
    with signed.locked(path):
        before = _read(tenant_id)
        if before is not None:
            _write(tenant_id, before.recent, before.conflict, before.erased | {subject_id})


def _write(tenant_id: int, recent: dict[int, str], conflict: int | None, erased: frozenset[str]) -> None:
    kept = dict(sorted(recent.items())[-REMEMBERED:])
    data: JSON = {"recent": {str(number): mac for number, mac in kept.items()}, "conflict": conflict}
    signed.write(_path(tenant_id), KIND, tenant_id, {**data, "erased": sorted(erased)})
    _known[_path(tenant_id)] = max(kept)


def _path(tenant_id: int) -> Path:
    return folder() / f"{tenant_id}.json"


class _Waiting:
    """Records that this process committed and has not anchored yet, by tenant, in their order."""

    def __init__(self) -> None:
        self._records: dict[int, list[tuple[int, str]]] = {}
        self._adding, self._writing = threading.Lock(), threading.Lock()

    def add(self, tenant_id: int, sequence: int, mac: str) -> None:
        with self._adding:
            if not self._records:
                timer = threading.Timer(SOON, self.write)
                timer.daemon = True  # what is left at the end is written then
                timer.start()
            self._records.setdefault(tenant_id, []).append((sequence, mac))

    def write(self) -> None:
        """An anchor that cannot be written is for `verify` to report, not for anybody's call to suffer."""
        with self._writing:
            with self._adding:
                records, self._records = self._records, {}
            for tenant_id, committed in records.items():
                try:
                    advance(tenant_id, *committed)
                except (OSError, ValueError):
                    logger.exception("the audit anchor of tenant %d could not be written", tenant_id)


_waiting = _Waiting()
atexit.register(flush)
os.register_at_fork(after_in_child=_waiting.__init__)  # type: ignore[misc]  # the parent writes what it committed
