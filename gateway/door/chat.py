"""OpenAI's Chat Completions: `POST /v1/chat/completions`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gateway.abilities import Image, Tool, ToolCall
from gateway.door.openai_shapes import chosen, function, output_schema, parts, problem, text_alone
from gateway.door.reading import Fields
from gateway.door.refusals import Refused, invalid, unsupported
from gateway.door.sse import sse
from gateway.door.values import (
    MOST_STOPS,
    MOST_TOKENS,
    Answer,
    Asked,
    image_of_url,
    sealed_id,
    tool_name,
    unsealed,
)
from gateway.types import JSON, FinishReason, Message, Options, TextDelta, ToolCallDelta, Usage

__all__ = ["ChatWriter", "problem", "understood", "whole", "writer"]

REASONS = {
    FinishReason.STOP: "stop",
    FinishReason.LENGTH: "length",
    FinishReason.TOOL_CALL: "tool_calls",
    FinishReason.REFUSAL: "content_filter",
    FinishReason.CONTENT_FILTER: "content_filter",
}
HARMLESS = ("user", "store", "service_tier", "safety_identifier", "prompt_cache_key", "prompt_cache_retention")


def understood(body: JSON) -> Asked:
    """Raises `Refused`."""
    fields = Fields(body)
    model, messages = fields.text("model"), _messages(fields.list("messages"))
    repository = _repository(fields)
    shown, choice = chosen(
        [_tool(each, f"tools[{n}]") for n, each in enumerate(fields.list("tools"))], fields.take("tool_choice")
    )
    temperature = fields.number("temperature", low=0, high=2)
    limit = fields.whole("max_tokens", MOST_TOKENS)
    limit = fields.whole("max_completion_tokens", limit)
    options = Options(
        model=model,
        temperature=1.0 if temperature is None else temperature,
        keep_temperature=temperature not in (None, 1.0),
        stop=stops(fields.take("stop"), "stop"),
        max_tokens=limit,
        tools=shown,
        tool_choice=choice,
        output=output_schema(fields.object("response_format")),
    )
    stream, include_usage = fields.flag("stream"), _stream_options(fields.object("stream_options"))
    fields.ignored(*HARMLESS)
    _refuse_the_rest(fields)
    return Asked(messages, options, stream, include_usage, repository)


def whole(answer: Answer, asked: Asked) -> JSON:
    calls = [
        {"id": sealed_id(each), "type": "function", "function": {"name": each.name, "arguments": each.arguments}}
        for each in answer.tool_calls
    ]
    message: JSON = {"role": "assistant", "content": answer.text if answer.text or not calls else None, "refusal": None}
    choice = {
        "index": 0,
        "message": {**message, **({"tool_calls": calls} if calls else {})},
        "logprobs": None,
        "finish_reason": REASONS[answer.reason],
    }
    head = {"id": f"chatcmpl-{answer.id}", "object": "chat.completion", "created": answer.created}
    return {**head, "model": answer.model, "choices": [choice], "usage": usage(answer.usage)}


def writer(call_id: str, created: int, asked: Asked) -> ChatWriter:
    return ChatWriter(call_id, created, include_usage=asked.include_usage)


class ChatWriter:
    """The chunks of one completion, ended by `[DONE]`; broken, by an error and nothing after it."""

    def __init__(self, call_id: str, created: int, *, include_usage: bool) -> None:
        self._head = {"id": f"chatcmpl-{call_id}", "object": "chat.completion.chunk", "created": created}
        self._include_usage = include_usage
        self._begun: set[int] = set()

    def begin(self, model: str) -> bytes:
        self._head["model"] = model
        return self._chunk({"role": "assistant", "content": "", "refusal": None})

    def say(self, event: TextDelta | ToolCallDelta) -> bytes:
        if isinstance(event, TextDelta):
            return self._chunk({"content": event.text})
        call: JSON = {"index": event.index, "function": {"arguments": event.arguments}}
        if event.index not in self._begun:
            self._begun.add(event.index)
            call |= {"id": sealed_id(event), "type": "function"}
            call["function"]["name"] = event.name
        return self._chunk({"tool_calls": [call]})

    def end(self, answer: Answer) -> bytes:
        last = self._chunk({}, REASONS[answer.reason])
        if self._include_usage:
            last += sse({**self._head, "choices": [], "usage": usage(answer.usage)})
        return last + sse("[DONE]")

    def broken(self, refused: Refused) -> bytes:
        return sse(problem(refused))

    def _chunk(self, delta: JSON, reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        return sse({**self._head, "choices": [choice], **({"usage": None} if self._include_usage else {})})


def usage(used: Usage) -> JSON:
    return {
        "prompt_tokens": used.input_tokens,
        "completion_tokens": used.output_tokens,
        "total_tokens": used.input_tokens + used.output_tokens,
        "prompt_tokens_details": {"cached_tokens": used.cached_tokens, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": used.reasoning_tokens, "audio_tokens": 0},
    }


def stops(value: Any, place: str) -> tuple[str, ...]:
    """One stop sequence or a list of them."""
    found = [value] if isinstance(value, str) else value or []
    if not isinstance(found, list) or not all(isinstance(each, str) and each for each in found):
        raise invalid(f"{place} must be texts that are not empty.", place)
    if len(found) > MOST_STOPS:
        raise invalid(f"{place} may hold {MOST_STOPS} texts.", place)
    return tuple(found)


def _messages(given: Sequence[Any]) -> tuple[Message, ...]:
    if not given:
        raise invalid("messages must hold at least one message.", "messages")
    found = [_message(Fields(each, f"messages[{n}]")) for n, each in enumerate(given)]
    return (*(m for m in found if m.role == "system"), *(m for m in found if m.role != "system"))


def _message(fields: Fields) -> Message:
    role = fields.text("role")
    content, place = fields.take("content"), fields.place("content")
    fields.ignored("name")
    if role in {"system", "developer"}:
        fields.done()
        return Message("system", text_alone(content, place, _part))
    if role == "user":
        fields.done()
        text, images = parts(content, place, _part)
        return Message("user", text, images)
    if role == "tool":
        call_id, _seal = unsealed(fields.text("tool_call_id"))
        fields.done()
        return Message("tool", text_alone(content, place, _part), tool_call_id=call_id)
    if role != "assistant":
        raise unsupported(f"{fields.place('role')} must be system, developer, user, assistant or tool.", place)
    calls = tuple(
        _tool_call(Fields(each, f"{fields.place('tool_calls')}[{n}]"))
        for n, each in enumerate(fields.list("tool_calls"))
    )
    refusal = fields.text("refusal", "")
    fields.ignored("annotations")  # what our own answers have none of
    fields.done()
    said = text_alone(content, place, _part) if content is not None else refusal
    return Message("assistant", said, tool_calls=calls)


def _part(kind: str, part: Fields) -> str | Image | None:
    if kind in {"text", "refusal"}:
        return part.text(kind)
    if kind != "image_url":
        return None
    picture = part.object("image_url") or Fields({}, part.place("image_url"))
    image = image_of_url(picture.take("url"), picture.place("url"))
    picture.ignored("detail")
    picture.done()
    return image


def _tool_call(fields: Fields) -> ToolCall:
    fields.only("type", "function")
    called = fields.object("function")
    if called is None:
        raise invalid(f"{fields.place('function')} is missing.", fields.place("function"))
    call_id, seal = unsealed(fields.text("id"))
    name = tool_name(called.text("name"), called.place("name"))
    call = ToolCall(call_id, name, called.text("arguments", "{}"), seal)
    fields.ignored("index")
    fields.done()
    called.done()
    return call


def _tool(value: Any, place: str) -> Tool:
    fields = Fields(value, place)
    fields.only("type", "function")
    described = fields.object("function")
    fields.done()
    if described is None:
        raise invalid(f"{fields.place('function')} is missing.", fields.place("function"))
    return function(described)


def _repository(fields: Fields) -> str:
    metadata = fields.object("metadata")
    return "" if metadata is None else metadata.text("repository", "")


def _stream_options(fields: Fields | None) -> bool:
    if fields is None:
        return False
    wanted = fields.flag("include_usage")
    fields.ignored("include_obfuscation")
    fields.done()
    return wanted


def _refuse_the_rest(fields: Fields) -> None:
    fields.only("n", 1)
    fields.only("top_p", 1)
    fields.only("presence_penalty", 0)
    fields.only("frequency_penalty", 0)
    fields.only("logprobs", False)
    fields.only("top_logprobs", 0)
    fields.only("logit_bias", {})
    fields.only("parallel_tool_calls", True)
    fields.only("modalities", ["text"])
    for name in ("reasoning_effort", "verbosity", "seed", "audio", "prediction", "web_search_options", "functions"):
        fields.only(name)
    fields.done()
