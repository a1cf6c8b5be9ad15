"""Converts documents in a few confined processes, which are reused and replaced. Usable from any thread."""

from __future__ import annotations

import dataclasses
import json
import logging
import socket
import subprocess
import threading
import time

from knowledge.errors import (
    ConversionCrashed,
    ConversionMemory,
    ConversionOutput,
    ConversionTimeout,
    ConverterBroke,
    KnowledgeError,
    SandboxUnavailable,
)
from knowledge.sandbox.confinement import Confinement
from knowledge.sandbox.limits import Limits
from knowledge.sandbox.template import (
    COMMAND,
    END,
    REPLY,
    START,
    command_line,
    could_not_be_confined,
    processor_time_ran_out,
    signal_name,
)
from knowledge.sandbox.wire import ANSWER, Nonsense, read_answer, request
from knowledge.types import ConvertedDocument

logger = logging.getLogger(__name__)

START_SECONDS = 60
COMMAND_SECONDS = 30
_MUCH = 0.7  # of the memory that it may have: who died with so much in use died of it


class _Ended(Exception):
    """The process closed its channel instead of answering."""


class _Template:
    """The process that forks the others. Not for use by two threads at once."""

    def __init__(self, limits: Limits, converter: str) -> None:
        ours, theirs = socket.socketpair()
        ours.settimeout(START_SECONDS)
        limits_json = json.dumps(dataclasses.asdict(limits))
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                command_line(theirs.fileno(), limits_json, converter),
                env={"LANG": "C.UTF-8"},
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,  # an interrupt from the terminal is for us, and we end it
            )
        self._control = ours
        try:
            hello = b""
            while not hello.endswith(b"\n"):
                piece = ours.recv(4096)
                if not piece:
                    raise SandboxUnavailable("the converting process does not start")
                hello += piece
        except (OSError, SandboxUnavailable) as error:
            self.close()
            raise SandboxUnavailable("the converting process does not start") from error
        self.walls = Confinement(**json.loads(hello))
        ours.settimeout(COMMAND_SECONDS)

    def start(self, owner: str) -> _Worker:
        ours, theirs = socket.socketpair()
        with theirs:
            socket.send_fds(self._control, [COMMAND.pack(START, 0)], [theirs.fileno()])
        process, _ = self._reply()
        return _Worker(self, ours, process, owner)

    def end(self, process: int) -> tuple[int, int]:
        """How it ended, and the most bytes that it used."""
        self._control.sendall(COMMAND.pack(END, process))
        return self._reply()

    def _reply(self) -> tuple[int, int]:
        reply = self._control.recv(REPLY.size, socket.MSG_WAITALL)
        if len(reply) < REPLY.size:
            raise ConnectionResetError("the template has ended")
        first, second = REPLY.unpack(reply)
        return first, second

    def close(self) -> None:
        """Its children end with it."""
        self._control.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def abandon(self) -> None:
        """In a fork of this process, whose parent goes on using it."""
        self._control.close()
        self._process.returncode = 0  # not our child: nothing to wait for


class _Worker:
    """One converting process as it is seen from here."""

    def __init__(self, template: _Template, channel: socket.socket, process: int, owner: str) -> None:
        self.channel = channel
        self.process = process
        self.template = template
        self.owner = owner
        self.served = 0
        self.ended = False

    def ask(self, content: bytes, limits: Limits) -> bytearray:
        """The answer's bytes. Raises _Ended, TimeoutError or ConversionOutput."""
        until = time.monotonic() + limits.wall_seconds
        self.served += 1
        try:
            self._patience(until)
            self.channel.sendall(content)
            (size,) = ANSWER.unpack(self._receive(ANSWER.size, until))
            if size > limits.output_bytes:
                raise ConversionOutput(f"more than {limits.output_bytes:,} bytes of text")
            return self._receive(size, until)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise _Ended from error

    def _receive(self, size: int, until: float) -> bytearray:
        content = bytearray(size)
        view = memoryview(content)
        while view:
            self._patience(until)
            count = self.channel.recv_into(view)
            if not count:
                raise _Ended
            view = view[count:]
        return content

    def _patience(self, until: float) -> None:
        left = until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self.channel.settimeout(left)


class Pool:
    """`convert` gives what `knowledge.converters.convert` gives, or raises what that raises, or one of
    ConversionTimeout, ConversionMemory, ConversionOutput, ConversionCrashed, SandboxUnavailable.

    A process serves one `owner`, and is replaced before another's document, so that a parser that a
    document took over never sees, and never answers for, somebody else's. `converter` is the module
    that is loaded into the processes; it has `convert` and `load_all`.
    """

    def __init__(self, limits: Limits | None = None, *, converter: str = "knowledge.converters") -> None:
        self.limits = limits or Limits()
        self._converter = converter
        self._changed = threading.Condition()
        self._template: _Template | None = None
        self._idle: list[_Worker] = []
        self._busy = 0

    @property
    def walls(self) -> Confinement:
        """Which walls stand; starts the template where it does not run yet."""
        with self._changed:
            return self._running().walls

    def convert(self, data: bytes, *, name: str, media_type: str = "", owner: str = "") -> ConvertedDocument:
        content = request(data, name=name, media_type=media_type)
        worker = self._take(owner)
        fresh = worker.served == 0
        try:
            answer = self._answer(worker, content)
        except (ConversionMemory, ConversionCrashed):
            if fresh:
                raise
            # What an earlier document left behind may be to blame.
            answer = self._answer(self._take(owner, fresh=True), content)
        if isinstance(answer, ConvertedDocument):
            return answer
        told, trace = answer
        if isinstance(told, ConverterBroke):
            logger.error("the converter broke on %s\n%s", name, trace)
        raise told

    def _answer(self, worker: _Worker, content: bytes) -> ConvertedDocument | tuple[KnowledgeError, str]:
        keep = False
        try:
            answer = read_answer(worker.ask(content, self.limits))
            if isinstance(answer, tuple) and isinstance(answer[0], ConversionMemory):
                raise answer[0]
            keep = True
            return answer
        except TimeoutError as error:
            raise ConversionTimeout(f"not done within {self.limits.wall_seconds} seconds") from error
        except Nonsense as error:
            raise ConversionCrashed(f"the converter's answer is {error}") from error
        except _Ended as error:
            raise self._cause_of_death(worker) from error
        finally:
            self._give_back(worker, keep=keep)

    def close(self) -> None:
        """Ends all of its processes. Those that still convert raise ConversionCrashed where they are awaited."""
        with self._changed:
            self._drop()

    def abandon(self) -> None:
        """For a fork of the process that has the pool: lets go of what the other one goes on using.
        Takes no lock, for it may be held by a thread that the fork does not have."""
        for worker in self._idle:
            worker.channel.close()
        if self._template is not None:
            self._template.abandon()

    def _take(self, owner: str, *, fresh: bool = False) -> _Worker:
        with self._changed:
            while self._busy >= self.limits.processes:
                self._changed.wait()
            worker = None if fresh else next((each for each in self._idle if each.owner == owner), None)
            if worker is not None:
                self._idle.remove(worker)
            else:
                if self._busy + len(self._idle) >= self.limits.processes:
                    self._end(self._idle.pop(0))
                worker = self._started(owner)
            self._busy += 1
            return worker

    def _give_back(self, worker: _Worker, *, keep: bool) -> None:
        with self._changed:
            self._busy -= 1
            if keep and worker.served < self.limits.documents and worker.template is self._template:
                self._idle.append(worker)
            else:
                self._end(worker)
            self._changed.notify()

    def _running(self) -> _Template:
        if self._template is None:
            self._template = _Template(self.limits, self._converter)
            if not self._template.walls.filtered:
                logger.warning(
                    "converters run without a system call filter: a parser's flaw could open files or sockets"
                )
        return self._template

    def _started(self, owner: str) -> _Worker:
        try:
            return self._running().start(owner)
        except OSError:  # it was killed, by the memory's keeper say: once more with a new one
            self._drop()
        try:
            return self._running().start(owner)
        except OSError as error:
            self._drop()
            raise SandboxUnavailable("no converting process can be started") from error

    def _end(self, worker: _Worker) -> tuple[int, int]:
        """How it ended, and the most bytes that it used; nothing where that cannot be said."""
        worker.channel.close()
        if worker.ended or worker.template is not self._template:
            return 0, 0
        worker.ended = True
        try:
            return worker.template.end(worker.process)
        except OSError:
            self._drop()
            return 0, 0

    def _drop(self) -> None:
        for worker in self._idle:
            worker.channel.close()
        if self._template is not None:
            self._template.close()
        self._template, self._idle = None, []

    def _cause_of_death(self, worker: _Worker) -> KnowledgeError:
        with self._changed:
            status, most = self._end(worker)
        if could_not_be_confined(status):
            return SandboxUnavailable("a converting process cannot be confined")
        if processor_time_ran_out(status):
            return ConversionTimeout(f"more than {self.limits.cpu_seconds} seconds of processor time")
        if most > _MUCH * self.limits.memory_bytes:
            return ConversionMemory("the parser used all the memory that it may have")
        return ConversionCrashed(f"the parser ended with {signal_name(status)}")
