"""What OpenAI sends, in both of its APIs. Field names and order of events follow the types of the
official SDK; a deployment's own extras are left out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.servers.wire import sse

CHAT_USAGE: dict[str, Any] = {
    "prompt_tokens": 42,
    "completion_tokens": 9,
    "total_tokens": 51,
    "prompt_tokens_details": {"cached_tokens": 16},
    "completion_tokens_details": {"reasoning_tokens": 3},
}
RESPONSES_USAGE: dict[str, Any] = {
    "input_tokens": 42,
    "input_tokens_details": {"cached_tokens": 16, "cache_write_tokens": 0},
    "output_tokens": 9,
    "output_tokens_details": {"reasoning_tokens": 3},
    "total_tokens": 51,
}
MODEL = "gpt-6-luna-2026-09-22"


def error(message: str, *, kind: str = "invalid_request_error", code: str | None = None) -> dict[str, Any]:
    """The body of an error of either API."""
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def chunk(delta: dict[str, Any] | None, reason: str | None = None, usage: dict[str, Any] | None = None) -> bytes:
    """One chunk of a chat completion; without a delta it carries the usage alone."""
    choices = [] if delta is None else [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}]
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1795490000, "model": MODEL}
    return sse({**head, "choices": choices, **({"usage": usage} if usage else {})})


def chat(
    texts: Sequence[str],
    *,
    reason: str = "stop",
    usage: dict[str, Any] | None = CHAT_USAGE,
    refusal: bool = False,
    tool: tuple[str, Sequence[str]] | None = None,
    done: bool = True,
) -> list[bytes]:
    """A chat completion as its stream of events."""
    events = [chunk({"role": "assistant", "content": "", "refusal": None})]
    events += [chunk({"refusal" if refusal else "content": text}) for text in texts]
    if tool is not None:
        name, fragments = tool
        start = {"index": 0, "id": "call_1", "type": "function", "function": {"name": name, "arguments": ""}}
        events.append(chunk({"tool_calls": [start]}))
        events += [chunk({"tool_calls": [{"index": 0, "function": {"arguments": fragment}}]}) for fragment in fragments]
    events.append(chunk({}, reason))
    if usage is not None:
        events.append(chunk(None, usage=usage))
    return [*events, sse("[DONE]")] if done else events


def responses(
    texts: Sequence[str],
    *,
    status: str = "completed",
    why: str | None = None,
    usage: dict[str, Any] | None = RESPONSES_USAGE,
    refusal: bool = False,
    tool: tuple[str, Sequence[str]] | None = None,
    failure: dict[str, Any] | None = None,
) -> list[bytes]:
    """A response as its stream of events."""
    kind = "refusal" if refusal else "output_text"
    message = {"id": "msg_1", "type": "message", "role": "assistant", "status": "in_progress", "content": []}
    events: list[dict[str, Any]] = [{"type": "response.created", "response": _response("in_progress")}]
    if texts:
        events.append({"type": "response.output_item.added", "output_index": 0, "item": message})
        for text in texts:
            place = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
            events.append({"type": f"response.{kind}.delta", **place, "delta": text, "logprobs": []})
    if tool is not None:
        events += _tool(*tool)
    ended = _response(status, usage=usage)
    ended["incomplete_details"] = {"reason": why} if why else None
    ended["error"] = failure
    events.append({"type": f"response.{status}", "response": ended})
    return [sse({**event, "sequence_number": number}, event["type"]) for number, event in enumerate(events)]


def _tool(name: str, fragments: Sequence[str]) -> list[dict[str, Any]]:
    call = {"id": "fc_1", "type": "function_call", "call_id": "call_1", "name": name, "arguments": ""}
    added = {"type": "response.output_item.added", "output_index": 1, "item": call}
    place = {"type": "response.function_call_arguments.delta", "item_id": "fc_1", "output_index": 1}
    return [added, *({**place, "delta": fragment} for fragment in fragments)]


def _response(status: str, *, usage: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1795490000,
        "status": status,
        "model": MODEL,
        "output": [],
        "usage": usage,
    }
