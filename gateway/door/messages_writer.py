"""A message as Anthropic's Messages API says it, whole or event by event."""

from __future__ import annotations

import json
from typing import Any

from gateway.door.refusals import Refused
from gateway.door.sse import sse
from gateway.door.values import Answer, Asked, sealed_id
from gateway.types import JSON, FinishReason, TextDelta, ToolCallDelta, Usage

REASONS = {
    FinishReason.STOP: "end_turn",
    FinishReason.LENGTH: "max_tokens",
    FinishReason.TOOL_CALL: "tool_use",
    FinishReason.REFUSAL: "refusal",
    FinishReason.CONTENT_FILTER: "refusal",
}
TYPES = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}


def problem(refused: Refused) -> JSON:
    kind = TYPES.get(refused.status, "api_error" if refused.status >= 500 else "invalid_request_error")
    return {"type": "error", "error": {"type": kind, "message": refused.detail, "code": refused.code}}


def whole(answer: Answer, asked: Asked) -> JSON:
    content: list[JSON] = [{"type": "text", "text": answer.text, "citations": None}] if answer.text else []
    content += [
        {"type": "tool_use", "id": sealed_id(each), "name": each.name, "input": json.loads(each.arguments or "{}")}
        for each in answer.tool_calls
    ]
    shell = _shell(answer.id, answer.model, usage(answer.usage))
    return {**shell, "content": content, **_ended(answer)}


def usage(used: Usage) -> JSON:
    fresh = used.input_tokens - used.cached_tokens - used.cache_write_tokens
    return {
        "input_tokens": max(0, fresh),
        "cache_creation_input_tokens": used.cache_write_tokens,
        "cache_read_input_tokens": used.cached_tokens,
        "output_tokens": used.output_tokens,
        "output_tokens_details": {"thinking_tokens": used.reasoning_tokens},
    }


class MessagesWriter:
    """The events of one message. The usage is known at its end, so `message_start` says none.
    Broken, it ends in `error`; `message_stop` is said of a whole answer alone."""

    def __init__(self, call_id: str) -> None:
        self._id = call_id
        self._open: tuple[str, int] | None = None  # kind of the open block, and the tool call's index
        self._blocks = 0

    def begin(self, model: str) -> bytes:
        shell = _shell(self._id, model, usage(Usage()))
        return _event("message_start", message=shell) + _event("ping")

    def say(self, event: TextDelta | ToolCallDelta) -> bytes:
        if isinstance(event, TextDelta):
            begun = self._turn_to("text", 0, {"type": "text", "text": ""})
            return begun + self._delta({"type": "text_delta", "text": event.text})
        block = {"type": "tool_use", "id": sealed_id(event), "name": event.name, "input": {}}
        begun = self._turn_to("tool_use", event.index, block)
        if not event.arguments:
            return begun
        return begun + self._delta({"type": "input_json_delta", "partial_json": event.arguments})

    def end(self, answer: Answer) -> bytes:
        last = _event("message_delta", delta=_ended(answer), usage=usage(answer.usage))
        return self._close() + last + _event("message_stop")

    def broken(self, refused: Refused) -> bytes:
        return sse(problem(refused), "error")

    def _turn_to(self, kind: str, index: int, block: JSON) -> bytes:
        """Opens a block, unless the open one goes on."""
        if self._open == (kind, index):
            return b""
        closed, self._open = self._close(), (kind, index)
        self._blocks += 1
        return closed + _event("content_block_start", index=self._blocks - 1, content_block=block)

    def _delta(self, delta: JSON) -> bytes:
        return _event("content_block_delta", index=self._blocks - 1, delta=delta)

    def _close(self) -> bytes:
        if self._open is None:
            return b""
        self._open = None
        return _event("content_block_stop", index=self._blocks - 1)


def _shell(call_id: str, model: str, used: JSON) -> JSON:
    head = {"id": f"msg_{call_id}", "type": "message", "role": "assistant", "model": model, "content": []}
    return {**head, "stop_reason": None, "stop_sequence": None, "usage": used}


def _ended(answer: Answer) -> JSON:
    reason = "stop_sequence" if answer.stopped_at else REASONS[answer.reason]
    return {"stop_reason": reason, "stop_sequence": answer.stopped_at or None}


def _event(kind: str, **more: Any) -> bytes:
    return sse({"type": kind, **more}, kind)
