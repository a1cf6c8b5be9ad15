"""What Gemini's `streamGenerateContent` sends with `alt=sse`. Field names and order follow the API's
reference; its lines end in CR LF."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

MODEL = "gemini-3.5-flash-001"
USAGE: dict[str, Any] = {
    "promptTokenCount": 42,
    "candidatesTokenCount": 6,
    "totalTokenCount": 51,
    "cachedContentTokenCount": 16,
    "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 42}],
    "thoughtsTokenCount": 3,
}
STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}


def error(message: str, *, status: int, quota: str = "", reason: str = "", wait: str = "") -> dict[str, Any]:
    """The body of an error, and the data of an error inside a stream."""
    kind = "type.googleapis.com/google.rpc"
    details: list[dict[str, Any]] = []
    if quota:
        details.append({"@type": f"{kind}.QuotaFailure", "violations": [{"quotaId": quota}]})
    if reason:
        details.append({"@type": f"{kind}.ErrorInfo", "reason": reason, "domain": "googleapis.com"})
    if wait:
        details.append({"@type": f"{kind}.RetryInfo", "retryDelay": wait})
    named = STATUSES.get(status, "UNKNOWN")
    return {"error": {"code": status, "message": message, "status": named, "details": details}}


def event(data: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode() + b"\r\n\r\n"


def content(
    texts: Sequence[str],
    *,
    reason: str = "STOP",
    usage: dict[str, Any] | None = USAGE,
    tool: tuple[str, str] | None = None,
    thoughts: bool = True,
) -> list[bytes]:
    """An answer as its stream of chunks; the last carries the reason. Thoughts come in parts of
    their own, and a call to a tool in one piece."""
    parts: list[list[dict[str, Any]]] = [[{"text": "Let me see.", "thought": True}]] if thoughts else []
    parts += [[{"text": text}] for text in texts]
    if tool is not None:
        call = {"name": tool[0], "args": json.loads(tool[1]), "id": "call_1"}
        parts.append([{"functionCall": call, "thoughtSignature": "c2VhbA=="}])
    last = {**_chunk([{"text": ""}], usage), "modelVersion": MODEL}
    last["candidates"][0]["finishReason"] = reason
    partial = {"promptTokenCount": 42, "totalTokenCount": 42} if usage else None
    return [event(_chunk(each, partial)) for each in parts] + [event(last)]


def blocked(reason: str) -> bytes:
    """A prompt that was not answered."""
    return event(
        {"promptFeedback": {"blockReason": reason}, "usageMetadata": {"promptTokenCount": 42}, "modelVersion": MODEL}
    )


def _chunk(parts: list[dict[str, Any]], usage: dict[str, Any] | None) -> dict[str, Any]:
    candidate = {"content": {"parts": parts, "role": "model"}, "index": 0}
    return {"candidates": [candidate], **({"usageMetadata": usage} if usage else {}), "responseId": "r1"}
