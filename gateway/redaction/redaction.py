"""What is taken out of one call, worked out once and shared by all candidates that are not cleared.

Fails closed: where the detector raises, or takes too long, nothing is sent and the call fails.

Does not catch: personal data in images, and what the detector does not know to be any.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from gateway.errors import GatewayError, RedactionFailed
from gateway.redaction.detector import Detector
from gateway.redaction.placeholders import PLACEHOLDER, Placeholders, Restoring, escaped
from gateway.redaction.spans import Span, apart
from gateway.redaction.texts import changed, changed_arguments, changed_json, kept_aside, read_by_provider
from gateway.types import Call, Message, Trace

T = TypeVar("T")
NOTE = Message(
    "system",
    "Words such as NAME_K3F9P or EMAIL_2XW7Q stand for personal data that was taken out. Use them as if they were the "
    "data, and copy them exactly.",
)
# A detector that hangs keeps its thread; when all do, calls fail by the clock, and none is let through.
_threads = ThreadPoolExecutor(max_workers=4, thread_name_prefix="citedesk-redaction")


class Redaction:
    """Of one call. `key` makes its placeholders; `detector` is asked when the first candidate needs it,
    and has `seconds` for all texts."""

    def __init__(self, call: Call, detector: Callable[[], Detector], key: bytes, seconds: float) -> None:
        self._call, self._detector, self._key, self._seconds = call, detector, key, seconds
        self._lock = asyncio.Lock()
        self._sent: Call | None = None
        self._placeholders: Placeholders | None = None
        self._failed = False

    async def sent(self) -> Call:
        """The call as it may leave. Raises `RedactionFailed`."""
        async with self._lock:
            if self._sent is not None:
                return self._sent
            self._failed = True  # until it has been read through
            sent, self._placeholders = await in_time(self._redact, self._seconds)
            self._sent, self._failed = sent, False
            return sent

    @property
    def values(self) -> dict[str, str]:
        """What was taken out, by placeholder: personal data, to be kept sealed."""
        return dict(self._placeholders.values) if self._placeholders else {}

    def resume(self, sent: Call, values: dict[str, str]) -> None:
        """As it was when the call was sent, for an answer that comes another day."""
        self._sent, self._placeholders = sent, Placeholders(self._key, ())
        self._placeholders.remember(values)

    @property
    def recorded(self) -> Call:
        """The call as the audit keeps it: as it was sent; whole, where every provider that was asked is
        cleared; without its texts, where they could not be read through."""
        if self._failed:
            return changed(self._call, lambda _text: "")
        return self._sent or self._call

    @property
    def counts(self) -> dict[str, int]:
        """How many values were taken out of what was sent, by kind."""
        if self._sent is None or self._placeholders is None:
            return {}
        return self._placeholders.counted(read_by_provider(self._sent))

    def restoring(self, *, json: bool = False) -> Restoring:
        """Puts the values back into one text that comes in pieces; as JSON needs them, if it is JSON."""
        values = self._placeholders.values if self._placeholders else {}
        return Restoring(escaped(values) if json else values)

    def record(self, trace: Trace) -> Trace:
        """What the audit keeps of the answer: the values that were put back are taken out again."""
        placeholders = self._placeholders
        if placeholders is None or not placeholders.values:
            return trace

        def hide(text: str) -> str:
            return placeholders.hidden(text, apart(placeholders.known(text)))

        calls = [{**call, "arguments": changed_arguments(call["arguments"], hide)} for call in trace.tool_calls]
        verdict = dataclasses.replace(trace.verdict, detail=changed_json(trace.verdict.detail, hide))
        return dataclasses.replace(trace, text=hide(trace.text), tool_calls=calls, verdict=verdict)

    def _redact(self) -> tuple[Call, Placeholders]:
        read = read_by_provider(self._call)
        aside = [text for text in kept_aside(self._call) if not any(text in each for each in read)]
        placeholders = Placeholders(self._key, [*read, *aside])
        hide = hiding(self._detector(), placeholders, [*read, *aside])
        call = changed(self._call, hide)
        if placeholders.values:
            system = sum(message.role == "system" for message in call.messages)
            call = dataclasses.replace(call, messages=(*call.messages[:system], NOTE, *call.messages[system:]))
        return call, placeholders


def hiding(detector: Detector, placeholders: Placeholders, texts: Sequence[str]) -> Callable[[str], str]:
    """Finds what is in the texts, and returns what takes it out of any text. What was found in one
    place is taken out everywhere."""
    found = {text: [span for span in detector.find(text) if not _is_one(text, span)] for text in dict.fromkeys(texts)}
    for text, spans in found.items():
        for span in spans:
            placeholders.of(span.kind, text[span.start : span.end])

    def hide(text: str) -> str:
        return placeholders.hidden(text, apart([*found.get(text, ()), *placeholders.known(text)]))

    return hide


async def in_time(work: Callable[[], T], seconds: float) -> T:
    """The result of `work`, done in a thread. Raises `RedactionFailed` whatever it raises, without its
    words, which may quote the text."""
    future = asyncio.get_running_loop().run_in_executor(_threads, work)
    await asyncio.wait([future], timeout=seconds)
    if not future.done():
        future.cancel()
        raise RedactionFailed(f"the detector of personal data was not done after {seconds:g} seconds")
    error = future.exception()
    if isinstance(error, GatewayError):
        raise RedactionFailed(error.detail)
    if error is not None:
        raise RedactionFailed(f"the detector of personal data failed: {type(error).__name__}")
    return future.result()


def _is_one(text: str, span: Span) -> bool:
    """A call that is replayed holds placeholders, which stand for themselves."""
    return PLACEHOLDER.fullmatch(text, span.start, span.end) is not None
