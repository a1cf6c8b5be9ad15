"""A response as OpenAI's Responses API says it, whole or event by event."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gateway.abilities import Tool, ToolCall
from gateway.door.refusals import Refused
from gateway.door.sse import sse
from gateway.door.values import Answer, Asked, sealed_id
from gateway.types import JSON, FinishReason, TextDelta, ToolCallDelta, Usage

INCOMPLETE = {
    FinishReason.LENGTH: "max_output_tokens",
    FinishReason.REFUSAL: "content_filter",
    FinishReason.CONTENT_FILTER: "content_filter",
}


def response(answer: Answer, asked: Asked) -> JSON:
    status = "incomplete" if answer.reason in INCOMPLETE else "completed"
    shell = _shell(answer.id, answer.created, answer.model, status, asked)
    if answer.reason in INCOMPLETE:
        shell["incomplete_details"] = {"reason": INCOMPLETE[answer.reason]}
    output = [_message_item(answer.id, answer.text, status)] if answer.text or not answer.tool_calls else []
    output += [_call_item(answer.id, n, call, "completed") for n, call in enumerate(answer.tool_calls)]
    return {**shell, "output": output, "usage": usage(answer.usage)}


def tool_item(tool: Tool) -> JSON:
    kind = {"type": "function", "name": tool.name, "description": tool.description}
    return {**kind, "parameters": tool.parameters, "strict": tool.strict}


def usage(used: Usage) -> JSON:
    return {
        "input_tokens": used.input_tokens,
        "input_tokens_details": {"cached_tokens": used.cached_tokens, "cache_write_tokens": used.cache_write_tokens},
        "output_tokens": used.output_tokens,
        "output_tokens_details": {"reasoning_tokens": used.reasoning_tokens},
        "total_tokens": used.input_tokens + used.output_tokens,
    }


@dataclass
class _Item:
    """An item of the output in the making: a message, or a call to a tool."""

    place: int
    id: str
    said: str = ""
    call: ToolCallDelta | None = None


class ResponsesWriter:
    """The events of one response, numbered. Broken, it says `response.failed` and then `error`, at
    which the SDK raises; `response.completed` is said of a whole answer alone."""

    def __init__(self, call_id: str, created: int, asked: Asked) -> None:
        self._id, self._created, self._asked = call_id, created, asked
        self._model = ""
        self._number = 0
        self._text: _Item | None = None
        self._calls: dict[int, _Item] = {}
        self._places = 0

    def begin(self, model: str) -> bytes:
        self._model = model
        shell = _shell(self._id, self._created, model, "in_progress", self._asked)
        return self._event("response.created", response=shell) + self._event("response.in_progress", response=shell)

    def say(self, event: TextDelta | ToolCallDelta) -> bytes:
        return self._say_text(event.text) if isinstance(event, TextDelta) else self._say_call(event)

    def end(self, answer: Answer) -> bytes:
        said = b""
        if self._text is None and not answer.tool_calls:
            said += self._say_text("")
        status = "incomplete" if answer.reason in INCOMPLETE else "completed"
        finished: list[tuple[int, JSON]] = []
        if self._text is not None:
            item = _message_item(self._id, self._text.said, status)
            said += self._end_text(self._text, item)
            finished.append((self._text.place, item))
        for index, begun in self._calls.items():
            call = next((c for n, c in enumerate(answer.tool_calls) if n == index), None)
            item = _call_item(self._id, index, call or _call_of(begun), "completed")
            said += self._end_call(begun, item)
            finished.append((begun.place, item))
        done = response(answer, self._asked)
        done["output"] = [item for _place, item in sorted(finished, key=lambda each: each[0])]
        return said + self._event(f"response.{status}", response=done)

    def broken(self, refused: Refused) -> bytes:
        error = {"code": "rate_limit_exceeded" if refused.status == 429 else "server_error", "message": refused.detail}
        shell = {**_shell(self._id, self._created, self._model, "failed", self._asked), "error": error}
        inner = {"type": "server_error", "code": refused.code, "message": refused.detail, "param": refused.param}
        said = self._event("response.failed", response=shell)
        return said + self._event("error", code=refused.code, message=refused.detail, param=None, error=inner)

    def _say_text(self, text: str) -> bytes:
        begun = b""
        if self._text is None:
            self._text = _Item(self._next_place(), f"msg_{self._id}")
            item = {**_message_item(self._id, "", "in_progress"), "content": []}
            begun = self._event("response.output_item.added", output_index=self._text.place, item=item)
            begun += self._event("response.content_part.added", **self._within(), part=_part(""))
        self._text.said += text
        if not text:
            return begun
        return begun + self._event("response.output_text.delta", **self._within(), delta=text, logprobs=[])

    def _say_call(self, event: ToolCallDelta) -> bytes:
        begun = b""
        if event.index not in self._calls:
            item = _Item(self._next_place(), f"fc_{self._id}_{event.index}", call=event)
            self._calls[event.index] = item
            empty = ToolCall(event.id, event.name, "", event.signature)
            shown = _call_item(self._id, event.index, empty, "in_progress")
            begun = self._event("response.output_item.added", output_index=item.place, item=shown)
        call = self._calls[event.index]
        call.said += event.arguments
        if not event.arguments:
            return begun
        place: JSON = {"item_id": call.id, "output_index": call.place}
        return begun + self._event("response.function_call_arguments.delta", **place, delta=event.arguments)

    def _end_text(self, text: _Item, item: JSON) -> bytes:
        said = self._event("response.output_text.done", **self._within(), text=text.said, logprobs=[])
        said += self._event("response.content_part.done", **self._within(), part=_part(text.said))
        return said + self._event("response.output_item.done", output_index=text.place, item=item)

    def _end_call(self, call: _Item, item: JSON) -> bytes:
        place: JSON = {"item_id": call.id, "output_index": call.place}
        said = self._event(
            "response.function_call_arguments.done", **place, name=item["name"], arguments=item["arguments"]
        )
        return said + self._event("response.output_item.done", output_index=call.place, item=item)

    def _within(self) -> JSON:
        assert self._text is not None
        return {"item_id": self._text.id, "output_index": self._text.place, "content_index": 0}

    def _next_place(self) -> int:
        self._places += 1
        return self._places - 1

    def _event(self, kind: str, **more: Any) -> bytes:
        self._number += 1
        return sse({"type": kind, "sequence_number": self._number - 1, **more}, kind)


def _shell(call_id: str, created: int, model: str, status: str, asked: Asked) -> JSON:
    echo = asked.echo or {}
    return {
        "id": f"resp_{call_id}",
        "object": "response",
        "created_at": created,
        "status": status,
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": echo.get("instructions"),
        "max_output_tokens": echo.get("max_output_tokens"),
        "model": model,
        "output": [],
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "reasoning": None,
        "store": False,
        "temperature": echo.get("temperature") if echo.get("temperature") is not None else 1.0,
        "tool_choice": echo.get("tool_choice") or "auto",
        "tools": echo.get("tools", []),
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": None,
        "metadata": echo.get("metadata") or {},
    }


def _message_item(call_id: str, text: str, status: str) -> JSON:
    head = {"id": f"msg_{call_id}", "type": "message", "role": "assistant"}
    return {**head, "status": status, "content": [_part(text)]}


def _part(text: str) -> JSON:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _call_item(call_id: str, number: int, call: ToolCall, status: str) -> JSON:
    head = {"id": f"fc_{call_id}_{number}", "type": "function_call", "status": status}
    return {**head, "call_id": sealed_id(call), "name": call.name, "arguments": call.arguments}


def _call_of(item: _Item) -> ToolCall:
    assert item.call is not None
    return ToolCall(item.call.id, item.call.name, item.said, item.call.signature)
