"""The process that works on foreign bytes: one document after another, until its channel closes."""

from __future__ import annotations

import json
import os
import traceback
from collections.abc import Callable, Mapping

from knowledge.errors import ConversionMemory, ConversionOutput, ConverterBroke, KnowledgeError, TooComplex
from knowledge.sandbox.confinement import allow_processor_time
from knowledge.sandbox.limits import Limits
from knowledge.sandbox.wire import REQUEST, document_answer, error_answer, page_answer
from knowledge.types import ConvertedDocument, DrawnPage

Tasks = Mapping[str, Callable[..., ConvertedDocument | DrawnPage]]  # what a request may ask for, by name
_PIECE = 1 << 20


def serve(channel: int, tasks: Tasks, limits: Limits) -> None:
    """For a process that is confined already. Reads and writes only the open `channel`."""
    while head := _read(channel, REQUEST.size):
        header_size, size = REQUEST.unpack(head)
        header = json.loads(_read(channel, header_size))
        data = _read(channel, size)
        allow_processor_time(limits.cpu_seconds)
        answer = _answer(tasks[header["task"]], data, header["arguments"])
        if len(answer) > limits.output_bytes:
            answer = error_answer(ConversionOutput(f"more than {limits.output_bytes:,} bytes of text"))
        _write(channel, answer)


def _answer(
    task: Callable[..., ConvertedDocument | DrawnPage], data: bytes, arguments: Mapping[str, str | int]
) -> bytes:
    """Here is the boundary to the parsers: whatever else they raise is a fault of ours or theirs
    that this one document has brought to light, and must stop no other."""
    try:
        done = task(data, **arguments)
        return page_answer(done) if isinstance(done, DrawnPage) else document_answer(done)
    except KnowledgeError as error:
        return error_answer(error)
    except MemoryError:
        return error_answer(ConversionMemory("the parser asked for more memory than it may have"))
    except RecursionError:
        return error_answer(TooComplex("nested deeper than the parser can follow"))
    except Exception as error:  # noqa: BLE001
        return error_answer(ConverterBroke(type(error).__name__), traceback.format_exc(limit=-20)[-20_000:])


def _read(channel: int, size: int) -> bytes:
    """Exactly `size` bytes, or none at the end."""
    parts = []
    while size:
        part = os.read(channel, min(size, _PIECE))
        if not part:
            return b""
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _write(channel: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(channel, view[:_PIECE]) :]
