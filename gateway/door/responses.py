"""OpenAI's Responses: `POST /v1/responses`. Nothing is kept between two of them: the whole
conversation comes with each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gateway.abilities import Image, Tool, ToolCall
from gateway.door.openai_shapes import chosen, function, output_schema, parts, problem, text_alone
from gateway.door.reading import Fields
from gateway.door.refusals import invalid, unsupported
from gateway.door.responses_writer import ResponsesWriter, response, tool_item
from gateway.door.values import MOST_TOKENS, Answer, Asked, image_of_url, tool_name, unsealed
from gateway.types import JSON, Message, Options

__all__ = ["problem", "understood", "whole", "writer"]

HARMLESS = ("user", "store", "service_tier", "safety_identifier", "prompt_cache_key", "prompt_cache_retention")
ECHOED = ("instructions", "metadata", "temperature", "tool_choice", "max_output_tokens")


def understood(body: JSON) -> Asked:
    """Raises `Refused`."""
    fields = Fields(body)
    echo = {name: body.get(name) for name in ECHOED}
    model, repository = fields.text("model"), _repository(fields)
    instructions = fields.text("instructions", "")
    messages = _messages(fields.take("input"))
    if instructions:
        messages = (Message("system", instructions), *messages)
    shown, choice = chosen([_tool(each, n) for n, each in enumerate(fields.list("tools"))], fields.take("tool_choice"))
    temperature = fields.number("temperature", low=0, high=2)
    options = Options(
        model=model,
        temperature=1.0 if temperature is None else temperature,
        keep_temperature=temperature not in (None, 1.0),
        max_tokens=fields.whole("max_output_tokens", MOST_TOKENS),
        tools=shown,
        tool_choice=choice,
        output=_format(fields),
    )
    stream = fields.flag("stream")
    fields.ignored(*HARMLESS, "stream_options")
    _refuse_the_rest(fields)
    return Asked(messages, options, stream, repository=repository, echo={**echo, "tools": [*map(tool_item, shown)]})


def whole(answer: Answer, asked: Asked) -> JSON:
    return response(answer, asked)


def writer(call_id: str, created: int, asked: Asked) -> ResponsesWriter:
    return ResponsesWriter(call_id, created, asked)


def _messages(given: Any) -> tuple[Message, ...]:
    if isinstance(given, str):
        return (Message("user", given),)
    if not isinstance(given, list) or not given:
        raise invalid("input must be a string or a list of items.", "input")
    found = [_item(Fields(each, f"input[{n}]")) for n, each in enumerate(given)]
    joined = _with_their_text(found)
    return (*(m for m in joined if m.role == "system"), *(m for m in joined if m.role != "system"))


def _with_their_text(found: Sequence[Message]) -> list[Message]:
    """Calls to tools that follow each other, or what the assistant said, are one message: providers
    want the results of all of them next to it."""
    joined: list[Message] = []
    for message in found:
        before = joined[-1] if joined else None
        if before is not None and message.tool_calls and before.role == "assistant":
            calls = (*before.tool_calls, *message.tool_calls)
            joined[-1] = Message("assistant", before.content, tool_calls=calls)
        else:
            joined.append(message)
    return joined


def _item(fields: Fields) -> Message:
    kind = fields.text("type", "message")
    fields.ignored("id", "status")
    if kind == "message":
        return _message(fields)
    if kind == "function_call":
        call_id, seal = unsealed(fields.text("call_id"))
        name = tool_name(fields.text("name"), fields.place("name"))
        call = ToolCall(call_id, name, fields.text("arguments", "{}"), seal)
        fields.done()
        return Message("assistant", "", tool_calls=(call,))
    if kind == "function_call_output":
        call_id, _seal = unsealed(fields.text("call_id"))
        said = text_alone(fields.take("output"), fields.place("output"), _part)
        fields.done()
        return Message("tool", said, tool_call_id=call_id)
    raise unsupported(
        f"{fields.place('type')}: items are message, function_call and function_call_output; nothing is kept here that "
        "others could refer to.",
        fields.place("type"),
    )


def _message(fields: Fields) -> Message:
    role, content, place = fields.text("role"), fields.take("content"), fields.place("content")
    fields.ignored("phase")
    fields.done()
    if role in {"system", "developer"}:
        return Message("system", text_alone(content, place, _part))
    if role == "assistant":
        return Message("assistant", text_alone(content, place, _part))
    if role != "user":
        raise invalid(f"{fields.place('role')} must be system, developer, user or assistant.", fields.place("role"))
    text, images = parts(content, place, _part)
    return Message("user", text, images)


def _part(kind: str, part: Fields) -> str | Image | None:
    if kind in {"input_text", "output_text"}:
        part.ignored("annotations", "logprobs")
        return part.text("text")
    if kind == "refusal":
        return part.text("refusal")
    if kind != "input_image":
        return None
    part.ignored("detail")
    return image_of_url(part.take("image_url"), part.place("image_url"))


def _tool(value: Any, number: int) -> Tool:
    fields = Fields(value, f"tools[{number}]")
    fields.only("type", "function")
    return function(fields)


def _format(fields: Fields) -> Any:
    text = fields.object("text")
    if text is None:
        return None
    output = output_schema(text.object("format"))
    text.only("verbosity", "medium")
    text.done()
    return output


def _repository(fields: Fields) -> str:
    metadata = fields.object("metadata")
    return "" if metadata is None else metadata.text("repository", "")


def _refuse_the_rest(fields: Fields) -> None:
    fields.only("top_p", 1)
    fields.only("parallel_tool_calls", True)
    fields.only("truncation", "disabled")
    fields.only("background", False)
    fields.only("top_logprobs", 0)
    fields.only("include", [], ["reasoning.encrypted_content"])  # of which there is none
    fields.only("reasoning", {})
    for name in ("previous_response_id", "conversation", "prompt", "max_tool_calls", "context_management"):
        fields.only(name)
    fields.done()
