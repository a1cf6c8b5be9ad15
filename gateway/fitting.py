"""A call fitted to what its model can do.

What the profile lacks is refused before anything is sent. `gateway.keeping` keeps what can be kept
without the model: where to stop, and strict tools. Where an answer has to satisfy a JSON
schema, it is checked whether or not the provider promised to keep to it; a model without that
ability is told the schema in words, and what it wrote is repaired where only its form is wrong.

Does not catch: a value that has the right form and is wrong.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing

from gateway.abilities import OutputSchema, Safety
from gateway.base import Candidate
from gateway.errors import GatewayError, InvalidOutput, Unsupported
from gateway.keeping import kept
from gateway.profiles import ModelProfile
from gateway.schemas import repaired, valid, validator
from gateway.types import Call, Finished, FinishReason, Message, StreamEvent, TextDelta, Trace, UsageReport

ANY_OBJECT = {"type": "object"}  # what providers enforce are schemas that name their properties
TOLD = """Answer with one JSON value that is valid under the JSON Schema below, and with nothing else: no \
words around it, no code fence.
{schema}"""


class Fitted:
    """Refuses with `Unsupported`; raises `InvalidOutput` for an answer that the schema refuses."""

    def __init__(self, inner: Candidate) -> None:
        self._inner = inner
        self.name, self.profile = inner.name, inner.profile

    async def stream(self, call: Call, trace: Trace) -> AsyncGenerator[StreamEvent, None]:
        sent, output = fitted(call, self.profile), call.options.output
        events = self._inner.stream(sent, trace)
        if output is not None:
            events = _checked(events, output) if sent.options.output is not None else _repaired(events, output)
        async with aclosing(kept(events, call.options)) as held:
            async for event in held:
                yield event


def fitted(call: Call, profile: ModelProfile) -> Call:
    """The call as the model is to be asked. Raises `Unsupported`."""
    require(call, profile)
    output = call.options.output
    if output is None or (profile.json_schema and output.schema != ANY_OBJECT):
        return call
    return told(call, output)


def require(call: Call, profile: ModelProfile) -> None:
    """Raises `Unsupported` for what the model cannot do, by its profile."""
    wanted = lacking(call, profile)
    if wanted:
        raise Unsupported(f"{profile.id} cannot {wanted}")


def lacking(call: Call, profile: ModelProfile) -> str:
    """What the call wants and the model cannot do, in words; empty when it can do all."""
    options = call.options
    missing = {
        "take tools": bool(options.tools) and not profile.tools,
        "take part in a conversation with tools": _has_tools(call) and not profile.tools,
        "see images": any(message.images for message in call.messages) and not profile.images,
        "answer in JSON": options.output is not None and not profile.generates,
        "be given a temperature": options.keep_temperature and not profile.temperature,
        f"be filtered {options.safety.value}ly": options.safety is not Safety.DEFAULT
        and options.safety not in profile.safety,
    }
    return " or ".join(what for what, absent in missing.items() if absent)


def told(call: Call, output: OutputSchema) -> Call:
    """The call with the schema in words, after its other system messages."""
    words = Message("system", TOLD.format(schema=json.dumps(output.schema, ensure_ascii=False)))
    system = sum(message.role == "system" for message in call.messages)
    messages = (*call.messages[:system], words, *call.messages[system:])
    return dataclasses.replace(call, messages=messages, options=dataclasses.replace(call.options, output=None))


async def _checked(
    events: AsyncGenerator[StreamEvent, None], output: OutputSchema
) -> AsyncGenerator[StreamEvent, None]:
    """As it comes; the end is held back until the whole is known to be valid."""
    check, said = validator(output.schema), ""
    async with aclosing(events) as inner:
        async for event in inner:
            if isinstance(event, TextDelta):
                said += event.text
            elif isinstance(event, Finished) and _must_be_json(event):
                valid(said, check)
            yield event


async def _repaired(
    events: AsyncGenerator[StreamEvent, None], output: OutputSchema
) -> AsyncGenerator[StreamEvent, None]:
    """In one piece, when it is known what has to be repaired. What cannot be is passed on before
    the error, so that it is paid for and on the record."""
    check, said, usage = validator(output.schema), "", None
    async with aclosing(events) as inner:
        try:
            async for event in inner:
                match event:
                    case TextDelta():
                        said += event.text
                    case UsageReport():
                        usage = event
                    case Finished():
                        said = repaired(said, check) if _must_be_json(event) else said
                        for each in _held(said, usage):
                            yield each
                        yield event
                    case _:
                        yield event
        except GatewayError:
            for each in _held(said, usage):
                yield each
            raise


def _held(said: str, usage: UsageReport | None) -> list[StreamEvent]:
    return [*([TextDelta(said)] if said else []), *([usage] if usage else [])]


def _must_be_json(end: Finished) -> bool:
    """A refusal or a call to a tool is another answer than the one that the schema describes."""
    if end.reason is FinishReason.LENGTH:
        raise InvalidOutput("the answer was cut off before its JSON was complete: raise max_tokens")
    return end.reason is FinishReason.STOP


def _has_tools(call: Call) -> bool:
    return any(message.role == "tool" or message.tool_calls for message in call.messages)
