"""What a process gives up before it reads a foreign byte."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import sys
from dataclasses import dataclass
from pathlib import Path

from knowledge.sandbox import seccomp
from knowledge.sandbox.limits import Limits

_NOBODY = 65534
_NEW_NETWORK, _NEW_USER = 0x40000000, 0x10000000
_DIE_WITH_PARENT = 1
MAX_OPEN_FILES = 16


@dataclass(frozen=True)
class Confinement:
    """Which walls stand. `filtered` is the one that matters: no files, sockets or programs."""

    filtered: bool
    own_network: bool


def leave_network() -> bool:
    """A network namespace of its own, without so much as a loopback; False where it is not allowed."""
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    return bool(libc.unshare(_NEW_NETWORK) == 0 or libc.unshare(_NEW_USER | _NEW_NETWORK) == 0)


def leave_root() -> None:
    """Nobody instead of root; others stay who they are, and so does a root that lacks the right to leave."""
    if os.getuid() != 0:
        return
    with contextlib.suppress(PermissionError):
        os.setgroups([])
        os.setresgid(_NOBODY, _NOBODY, _NOBODY)
        os.setresuid(_NOBODY, _NOBODY, _NOBODY)


def confine(limits: Limits, *, filtered: bool) -> None:
    """For the process that converts. Raises OSError where a wall that should stand does not."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, 9, 0, 0, 0)
        _limit(resource.RLIMIT_AS, _mapped() + limits.memory_bytes)
        _limit(resource.RLIMIT_NPROC, 0)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, 0)
    _limit(resource.RLIMIT_NOFILE, MAX_OPEN_FILES)
    _limit(resource.RLIMIT_CPU, int(_used()) + limits.cpu_seconds * limits.documents + 1)
    if filtered:
        seccomp.install()


def allow_processor_time(seconds: int) -> None:
    """From now on, for the next document; SIGXCPU ends the process after it."""
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    wanted = int(_used()) + seconds + 1
    resource.setrlimit(resource.RLIMIT_CPU, (min(wanted, hard) if hard != resource.RLIM_INFINITY else wanted, hard))


def _limit(which: int, value: int) -> None:
    _, hard = resource.getrlimit(which)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(which, (value, value))


def _used() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _mapped() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
