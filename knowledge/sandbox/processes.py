"""The processes of the sandbox as they are seen from the side that asks."""

from __future__ import annotations

import dataclasses
import json
import socket
import subprocess
import time

from knowledge.errors import ConversionOutput, SandboxUnavailable
from knowledge.sandbox.confinement import Confinement
from knowledge.sandbox.limits import Limits
from knowledge.sandbox.template import COMMAND, END, REPLY, START, command_line
from knowledge.sandbox.wire import ANSWER

START_SECONDS = 60
COMMAND_SECONDS = 30


class Ended(Exception):
    """The process closed its channel instead of answering."""


class Template:
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

    def start(self, owner: str) -> Worker:
        ours, theirs = socket.socketpair()
        with theirs:
            socket.send_fds(self._control, [COMMAND.pack(START, 0)], [theirs.fileno()])
        process, _ = self._reply()
        return Worker(self, ours, process, owner)

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


class Worker:
    """One converting process as it is seen from here."""

    def __init__(self, template: Template, channel: socket.socket, process: int, owner: str) -> None:
        self.channel = channel
        self.process = process
        self.template = template
        self.owner = owner
        self.served = 0
        self.ended = False

    def ask(self, content: bytes, limits: Limits) -> bytearray:
        """The answer's bytes. Raises Ended, TimeoutError or ConversionOutput."""
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
            raise Ended from error

    def _receive(self, size: int, until: float) -> bytearray:
        content = bytearray(size)
        view = memoryview(content)
        while view:
            self._patience(until)
            count = self.channel.recv_into(view)
            if not count:
                raise Ended
            view = view[count:]
        return content

    def _patience(self, until: float) -> None:
        left = until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self.channel.settimeout(left)
