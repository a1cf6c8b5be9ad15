"""What Mistral's Chat Completions send. A call to a tool comes in one piece."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.servers.wire import sse

MODEL = "mistral-small-2603"
USAGE: dict[str, Any] = {
    "prompt_tokens": 42,
    "completion_tokens": 9,
    "total_tokens": 51,
    "prompt_tokens_details": {"cached_tokens": 16},
}


def error(message: str, *, kind: str) -> dict[str, Any]:
    """The body of an error."""
    return {"object": "error", "message": message, "type": kind, "param": None, "code": "1300"}


def completion(
    texts: Sequence[str],
    *,
    reason: str = "stop",
    usage: dict[str, Any] | None = USAGE,
    tool: tuple[str, str] | None = None,
) -> list[bytes]:
    """A completion as its stream of events; a thought comes first, as a part of its own kind."""
    thought = [{"type": "thinking", "thinking": [{"type": "text", "text": "Let me see."}]}]
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}, {"content": thought}]
    deltas += [{"content": text} for text in texts]
    if tool is not None:
        call = {"id": "call_1", "type": "function", "index": 0, "function": {"name": tool[0], "arguments": tool[1]}}
        deltas.append({"content": "", "tool_calls": [call]})
    events = [_chunk(delta) for delta in deltas]
    return [*events, _chunk({"content": ""}, reason, usage), sse("[DONE]")]


def _chunk(delta: dict[str, Any], reason: str | None = None, usage: dict[str, Any] | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    head = {"id": "cmpl-1", "object": "chat.completion.chunk", "created": 1795490000, "model": MODEL}
    return sse({**head, "choices": [choice], **({"usage": usage} if usage else {})})
