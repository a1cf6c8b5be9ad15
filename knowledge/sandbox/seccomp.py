"""A system call filter: what a converter may ask the kernel for, and nothing else.

An allow list. Everything that is not on it (opening files, sockets, starting programs or processes,
signals, tracing) is refused with EPERM; memory can never be made executable. Built without a library:
the program is a few dozen instructions of the kernel's packet filter (seccomp(2), bpf(4)).

Does not catch: what a flaw of the kernel lets through the calls that are allowed.
"""

from __future__ import annotations

import ctypes
import platform
import struct
import sys

_NO_NEW_PRIVILEGES = 38
_SET_SECCOMP = 22
_MODE_FILTER = 2
_ACTION_AVAILABLE = 2  # of seccomp(2)

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL, _REFUSE = 0x7FFF0000, 0x80000000, 0x00050000 | 1  # EPERM
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16
_X32 = 0x40000000
_EXECUTABLE = 4

_X86_64 = {
    "read": 0, "write": 1, "close": 3, "fstat": 5, "poll": 7, "lseek": 8, "munmap": 11, "brk": 12,
    "rt_sigaction": 13, "rt_sigprocmask": 14, "rt_sigreturn": 15, "readv": 19, "writev": 20, "sched_yield": 24,
    "mremap": 25, "madvise": 28, "nanosleep": 35, "getpid": 39, "exit": 60, "uname": 63, "gettimeofday": 96,
    "getrusage": 98, "sysinfo": 99, "times": 100, "sigaltstack": 131, "gettid": 186, "time": 201, "futex": 202,
    "sched_getaffinity": 204, "restart_syscall": 219, "clock_gettime": 228, "clock_getres": 229,
    "clock_nanosleep": 230, "exit_group": 231, "ppoll": 271, "set_robust_list": 273, "getcpu": 309,
    "getrandom": 318, "membarrier": 324, "rseq": 334,
}  # fmt: skip
_AARCH64 = {
    "close": 57, "lseek": 62, "read": 63, "write": 64, "readv": 65, "writev": 66, "ppoll": 73, "fstat": 80,
    "exit": 93, "exit_group": 94, "futex": 98, "set_robust_list": 99, "nanosleep": 101, "clock_gettime": 113,
    "clock_getres": 114, "clock_nanosleep": 115, "sched_getaffinity": 123, "sched_yield": 124,
    "restart_syscall": 128, "sigaltstack": 132, "rt_sigaction": 134, "rt_sigprocmask": 135, "rt_sigreturn": 139,
    "times": 153, "uname": 160, "getrusage": 165, "getcpu": 168, "gettimeofday": 169, "getpid": 172, "gettid": 178,
    "sysinfo": 179, "brk": 214, "munmap": 215, "mremap": 216, "madvise": 233, "getrandom": 278,
    "membarrier": 283, "rseq": 293,
}  # fmt: skip


class _Machine:
    """One architecture: its mark, the calls that are allowed as they are, and those whose arguments count."""

    def __init__(self, mark: int, seccomp: int, mmap: int, mprotect: int, prlimit: int, calls: dict[str, int]) -> None:
        self.mark, self.seccomp, self.calls = mark, seccomp, calls
        self.mapping, self.prlimit = (mmap, mprotect), prlimit


_MACHINES = {
    "x86_64": _Machine(0xC000003E, 317, 9, 10, 302, _X86_64),
    "aarch64": _Machine(0xC00000B7, 277, 222, 226, 261, _AARCH64),
}


def available() -> bool:
    """Whether this kernel and processor can be given the filter; asks, and changes nothing."""
    machine = _MACHINES.get(platform.machine())
    if sys.platform != "linux" or machine is None or sys.byteorder != "little":
        return False
    action = ctypes.c_uint32(_REFUSE & 0xFFFF0000)
    libc = ctypes.CDLL(None, use_errno=True)
    return bool(libc.syscall(machine.seccomp, _ACTION_AVAILABLE, 0, ctypes.byref(action)) == 0)


def install() -> None:
    """Puts the calling process under the filter for good. Raises OSError."""
    program = _program(_MACHINES[platform.machine()])
    code = ctypes.create_string_buffer(program, len(program))

    class Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]

    header = Program(len(program) // 8, ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) or libc.prctl(_SET_SECCOMP, _MODE_FILTER, ctypes.byref(header), 0, 0):
        number = ctypes.get_errno()
        raise OSError(number, "the kernel does not take the system call filter")


def _step(code: int, value: int, then: int = 0, otherwise: int = 0) -> bytes:
    """One instruction; `then` and `otherwise` are how many instructions to skip."""
    return struct.pack("<HBBI", code, then, otherwise, value)


def _program(machine: _Machine) -> bytes:
    steps = [
        _step(_LOAD, _ARCHITECTURE),
        _step(_EQUAL, machine.mark, then=1),
        _step(_RETURN, _KILL),
        _step(_LOAD, _NUMBER),
        _step(_AT_LEAST, _X32, otherwise=1),
        _step(_RETURN, _KILL),
    ]
    for number in machine.calls.values():
        steps += [_step(_EQUAL, number, otherwise=1), _step(_RETURN, _ALLOW)]
    for number in machine.mapping:  # the third argument says what the memory is for
        steps += [
            _step(_EQUAL, number, otherwise=4),
            _step(_LOAD, _FIRST_ARGUMENT + 2 * 8),
            _step(_ANY_BIT, _EXECUTABLE, otherwise=1),
            _step(_RETURN, _REFUSE),
            _step(_RETURN, _ALLOW),
        ]
    steps += [  # its own limits alone, which it can only lower
        _step(_EQUAL, machine.prlimit, otherwise=3),
        _step(_LOAD, _FIRST_ARGUMENT),
        _step(_EQUAL, 0, otherwise=1),
        _step(_RETURN, _ALLOW),
        _step(_RETURN, _REFUSE),
    ]
    return b"".join(steps)
