"""A converter that does what its document says: stands for a parser with a flaw, or one taken over."""

from __future__ import annotations

import ctypes
import mmap
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from knowledge.types import Block, BlockKind, ConvertedDocument, DrawnPage, PageCharacters

_SEEN: list[str] = []
_LEAKED: list[bytes] = []


def load_all() -> None:
    pass


def convert(data: bytes, *, name: str, media_type: str = "") -> ConvertedDocument:
    deed = data.decode()
    _SEEN.append(name)
    said = _DEEDS[deed]()
    return ConvertedDocument(said, (Block(BlockKind.PARAGRAPH, 0, len(said)),), title=name)


def draw_page(data: bytes, *, number: int, width: int) -> DrawnPage:
    """The deed, and a page of which the picture is not as large as is said."""
    _DEEDS[data.decode()]()
    return DrawnPage(2, 2, b"\x00" * (12 if number == 1 else 11), PageCharacters("", (), (20, 20), 1))


def _spin() -> str:
    while True:
        pass


def _sleep() -> str:
    time.sleep(600)
    return "slept"


def _eat() -> str:
    eaten = []
    while True:
        eaten.append(b"x" * 1_000_000)


def _eat_unseen() -> str:
    """As a C library does that gives up when it gets no more."""
    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    while address := libc.malloc(1 << 20):
        ctypes.memset(address, 1, 1 << 20)
    libc.abort()
    return "ate"


def _crash() -> str:
    ctypes.string_at(8)
    return "survived"


def _leak() -> str:
    """Half of what the tests' process may have, for good."""
    _LEAKED.append(b"x" * 110_000_000)
    return "leaked"


def _leave() -> str:
    os._exit(0)


def _talk() -> str:
    return "x" * 3_000_000


def _fork() -> str:
    return str(os.fork())


def _run() -> str:
    return str(subprocess.run(["true"], check=False).returncode)


def _open() -> str:
    return Path(__file__).read_text()


def _look() -> str:
    return Path("/proc/self/environ").read_text()


def _write() -> str:
    Path("/tmp/citedesk-was-here").write_text("x")
    return "wrote"


def _dial() -> str:
    socket.create_connection(("127.0.0.1", 9))
    return "dialled"


def _kill_parent() -> str:
    os.kill(os.getppid(), signal.SIGKILL)
    return "killed"


def _make_code() -> str:
    mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    return "made"


def _environment() -> str:
    return " ".join(sorted(os.environ)) or "none"


def _django() -> str:
    return str("django" in sys.modules)


def _forge() -> str:
    """An answer of its own, past the code that writes answers."""
    content = b'{"text": "a\\u0000", "blocks": [], "title": "", "metadata": {}, "warnings": []}'
    for channel in range(3, 16):
        try:
            os.write(channel, len(content).to_bytes(4, "big") + content)
        except OSError:
            continue
    return "forged"


def _bug() -> str:
    raise IndexError("list index out of range")


_DEEDS = {
    "spin": _spin,
    "sleep": _sleep,
    "eat": _eat,
    "eat unseen": _eat_unseen,
    "crash": _crash,
    "leave": _leave,
    "leak": _leak,
    "talk": _talk,
    "fork": _fork,
    "run": _run,
    "open": _open,
    "look": _look,
    "write": _write,
    "dial": _dial,
    "kill parent": _kill_parent,
    "make code": _make_code,
    "environment": _environment,
    "django": _django,
    "forge": _forge,
    "bug": _bug,
    "behave": lambda: "behaved",
    "remember": lambda: " ".join(_SEEN),
    "who": lambda: str(os.getpid()),
}
