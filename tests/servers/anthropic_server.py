"""What Anthropic's Messages API sends. Field names and order of events follow the types of the
official SDK."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.servers.wire import sse

MODEL = "claude-haiku-5-5"
INPUT: dict[str, Any] = {
    "input_tokens": 20,
    "cache_creation_input_tokens": 6,
    "cache_read_input_tokens": 16,
    "output_tokens": 1,
}
OUTPUT: dict[str, Any] = {"output_tokens": 9, "output_tokens_details": {"thinking_tokens": 3}}


def error(message: str, *, kind: str) -> dict[str, Any]:
    """The body of an error, and the data of an error event."""
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}


def message(
    texts: Sequence[str],
    *,
    reason: str = "end_turn",
    usage: bool = True,
    tool: tuple[str, Sequence[str]] | None = None,
) -> list[bytes]:
    """A message as its stream of events."""
    start = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": MODEL,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": INPUT if usage else {"input_tokens": 0, "output_tokens": 0},
    }
    events: list[dict[str, Any]] = [{"type": "message_start", "message": start}]
    events += _block(0, {"type": "text", "text": ""}, [{"type": "text_delta", "text": text} for text in texts])
    events.insert(2, {"type": "ping"})
    if tool is not None:
        name, fragments = tool
        pieces = [{"type": "input_json_delta", "partial_json": fragment} for fragment in fragments]
        events += _block(1, {"type": "tool_use", "id": "call_1", "name": name, "input": {}}, pieces)
    delta = {"stop_reason": reason, "stop_sequence": None}
    events.append({"type": "message_delta", "delta": delta, "usage": OUTPUT if usage else {"output_tokens": 0}})
    events.append({"type": "message_stop"})
    return [sse(event, event["type"]) for event in events]


def _block(index: int, block: dict[str, Any], deltas: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {"type": "content_block_start", "index": index, "content_block": block},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]
