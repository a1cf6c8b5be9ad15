"""The process from which converting processes are forked, so that a fresh one costs milliseconds.

It is started by `pool.py` as a program of its own, without environment or open files. It loads the
converters and all that they would load later, gives up network and root, and reads no document itself.
Commands come through a socket: a letter and a process id, answered by two numbers.
"""

from __future__ import annotations

import contextlib
import encodings
import gc
import importlib
import json
import os
import pkgutil
import signal
import socket
import struct
import sys
from pathlib import Path
from typing import NoReturn

from knowledge.sandbox import seccomp
from knowledge.sandbox.confinement import Confinement, confine, leave_network, leave_root
from knowledge.sandbox.limits import Limits
from knowledge.sandbox.worker import Tasks, serve

COMMAND = struct.Struct("!ci")
REPLY = struct.Struct("!iQ")  # process id and 0; or how it ended (as wait(2) has it) and its most bytes in use
START, END = b"S", b"E"
UNCONFINED = 3


def main(control_file: int, limits_json: str, converter: str) -> None:
    """Serves until the other side closes its socket."""
    limits = Limits(**json.loads(limits_json))
    control = socket.socket(fileno=control_file)
    tasks = _loaded(converter)
    walls = Confinement(filtered=seccomp.available(), own_network=leave_network())
    leave_root()
    _be_silent()
    gc.freeze()  # so that no child copies what all of them share
    control.sendall(json.dumps({"filtered": walls.filtered, "own_network": walls.own_network}).encode() + b"\n")
    running: set[int] = set()
    while True:
        command, files, _, _ = socket.recv_fds(control, COMMAND.size, 1)
        if len(command) < COMMAND.size:
            break
        what, process = COMMAND.unpack(command)
        if what == START:
            process = _forked(control, files[0], tasks, limits, walls)
            os.close(files[0])
            running.add(process)
            control.sendall(REPLY.pack(process, 0))
        elif what == END and process in running:
            running.discard(process)
            control.sendall(REPLY.pack(*_ended(process)))
    for process in running:
        _ended(process)


def _loaded(converter: str) -> Tasks:
    """A converting process can open no file, so no module either: everything is loaded here."""
    sys.modules["numpy"] = None  # type: ignore[assignment]  # openpyxl would load it, threads and all
    for module in pkgutil.iter_modules(encodings.__path__):
        with contextlib.suppress(ImportError):  # those of other systems
            importlib.import_module(f"encodings.{module.name}")
    loaded = importlib.import_module(converter)
    loaded.load_all()
    return {"convert": loaded.convert, "draw": loaded.draw_page}


def _be_silent() -> None:
    """What a parser prints is as foreign as its document, and belongs in no log."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for file in (0, 1, 2):
        os.dup2(nowhere, file)
    os.close(nowhere)


def _forked(control: socket.socket, channel: int, tasks: Tasks, limits: Limits, walls: Confinement) -> int:
    process = os.fork()
    if process == 0:
        control.close()
        _work(channel, tasks, limits, walls)
    return process


def _work(channel: int, tasks: Tasks, limits: Limits, walls: Confinement) -> NoReturn:
    """Never returns into the template's code, whatever happens, and never converts without its walls."""
    try:
        try:
            confine(limits, filtered=walls.filtered)
        except OSError:
            os._exit(UNCONFINED)
        serve(channel, tasks, limits)
    finally:
        os._exit(0)


def _ended(process: int) -> tuple[int, int]:
    """Kills the process if it still runs. Only here are its children waited for, so that an id
    that is on record is never another process's."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)
    _, status, usage = os.wait4(process, 0)
    scale = 1 if sys.platform == "darwin" else 1024
    return status, usage.ru_maxrss * scale


def command_line(control_file: int, limits_json: str, converter: str) -> list[str]:
    """How `pool.py` starts this module: isolated from the environment's and the user's own modules."""
    root = str(Path(__file__).resolve().parents[2])
    start = "import sys; sys.path.insert(0, sys.argv[1]); from knowledge.sandbox.template import main; "
    start += "main(int(sys.argv[2]), sys.argv[3], sys.argv[4])"
    return [sys.executable, "-I", "-c", start, root, str(control_file), limits_json, converter]


def processor_time_ran_out(status: int) -> bool:
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU


def could_not_be_confined(status: int) -> bool:
    return os.WIFEXITED(status) and os.WEXITSTATUS(status) == UNCONFINED


def signal_name(status: int) -> str:
    return signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else "no answer"
