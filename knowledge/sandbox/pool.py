"""Works on documents in a few confined processes, which are reused and replaced. Usable from any thread."""

from __future__ import annotations

import logging
import threading

from knowledge.errors import (
    ConversionCrashed,
    ConversionMemory,
    ConversionTimeout,
    ConverterBroke,
    KnowledgeError,
    SandboxUnavailable,
)
from knowledge.sandbox.confinement import Confinement
from knowledge.sandbox.limits import Limits
from knowledge.sandbox.processes import Ended, Template, Worker
from knowledge.sandbox.template import could_not_be_confined, processor_time_ran_out, signal_name
from knowledge.sandbox.wire import Answer, Nonsense, read_answer, request
from knowledge.types import ConvertedDocument, DrawnPage

logger = logging.getLogger(__name__)

_MUCH = 0.7  # of the memory that it may have: who died with so much in use died of it


class Pool:
    """`convert` gives what `knowledge.converters.convert` gives, or raises what that raises, or one of
    ConversionTimeout, ConversionMemory, ConversionOutput, ConversionCrashed, SandboxUnavailable.

    A process serves one `owner`, and is replaced before another's document, so that a parser that a
    document took over never sees, and never answers for, somebody else's. `converter` is the module
    that is loaded into the processes; it has `convert`, `draw_page` and `load_all`.
    """

    def __init__(self, limits: Limits | None = None, *, converter: str = "knowledge.converters") -> None:
        self.limits = limits or Limits()
        self._converter = converter
        self._changed = threading.Condition()
        self._template: Template | None = None
        self._idle: list[Worker] = []
        self._busy = 0

    @property
    def walls(self) -> Confinement:
        """Which walls stand; starts the template where it does not run yet."""
        with self._changed:
            return self._running().walls

    def convert(self, data: bytes, *, name: str, media_type: str = "", owner: str = "") -> ConvertedDocument:
        answer = self._done(request("convert", data, {"name": name, "media_type": media_type}), name, owner)
        if not isinstance(answer, ConvertedDocument):
            raise ConversionCrashed("the converter's answer is no document")
        return answer

    def draw(self, data: bytes, *, number: int, width: int, name: str = "", owner: str = "") -> DrawnPage:
        """What `knowledge.converters.draw_page` gives: page `number` of a PDF, `width` pixels wide or less."""
        answer = self._done(request("draw", data, {"number": number, "width": width}), name, owner)
        if not isinstance(answer, DrawnPage):
            raise ConversionCrashed("the converter's answer is no page")
        return answer

    def _done(self, content: bytes, name: str, owner: str) -> ConvertedDocument | DrawnPage:
        worker = self._take(owner)
        fresh = worker.served == 0
        try:
            answer = self._answer(worker, content)
        except (ConversionMemory, ConversionCrashed):
            if fresh:
                raise
            # What an earlier document left behind may be to blame.
            answer = self._answer(self._take(owner, fresh=True), content)
        if not isinstance(answer, tuple):
            return answer
        told, trace = answer
        if isinstance(told, ConverterBroke):
            logger.error("the converter broke on %s\n%s", name, trace)
        raise told

    def _answer(self, worker: Worker, content: bytes) -> Answer:
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
        except Ended as error:
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

    def _take(self, owner: str, *, fresh: bool = False) -> Worker:
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

    def _give_back(self, worker: Worker, *, keep: bool) -> None:
        with self._changed:
            self._busy -= 1
            if keep and worker.served < self.limits.documents and worker.template is self._template:
                self._idle.append(worker)
            else:
                self._end(worker)
            self._changed.notify()

    def _running(self) -> Template:
        if self._template is None:
            self._template = Template(self.limits, self._converter)
            if not self._template.walls.filtered:
                logger.warning(
                    "converters run without a system call filter: a parser's flaw could open files or sockets"
                )
        return self._template

    def _started(self, owner: str) -> Worker:
        try:
            return self._running().start(owner)
        except OSError:  # it was killed, by the memory's keeper say: once more with a new one
            self._drop()
        try:
            return self._running().start(owner)
        except OSError as error:
            self._drop()
            raise SandboxUnavailable("no converting process can be started") from error

    def _end(self, worker: Worker) -> tuple[int, int]:
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

    def _cause_of_death(self, worker: Worker) -> KnowledgeError:
        with self._changed:
            status, most = self._end(worker)
        if could_not_be_confined(status):
            return SandboxUnavailable("a converting process cannot be confined")
        if processor_time_ran_out(status):
            return ConversionTimeout(f"more than {self.limits.cpu_seconds} seconds of processor time")
        if most > _MUCH * self.limits.memory_bytes:
            return ConversionMemory("the parser used all the memory that it may have")
        return ConversionCrashed(f"the parser ended with {signal_name(status)}")
