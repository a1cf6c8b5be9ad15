"""What Bedrock's ConverseStream sends: AWS's binary event stream, framed here from its description.

A message is its length, the length of its headers, a CRC of these two, the headers, the payload,
and a CRC of all before it; numbers are big-endian, headers are typed.
"""

from __future__ import annotations

import json
import struct
from binascii import crc32
from collections.abc import Sequence
from typing import Any

STRING = 7
USAGE: dict[str, Any] = {
    "inputTokens": 20,
    "outputTokens": 9,
    "totalTokens": 51,
    "cacheReadInputTokens": 16,
    "cacheWriteInputTokens": 6,
}


def message(headers: dict[str, str], payload: bytes) -> bytes:
    """One message of the event stream."""
    head = b"".join(_header(name, value) for name, value in headers.items())
    lengths = struct.pack("!II", 16 + len(head) + len(payload), len(head))
    body = lengths + struct.pack("!I", crc32(lengths)) + head + payload
    return body + struct.pack("!I", crc32(body))


def event(name: str, payload: dict[str, Any]) -> bytes:
    headers = {":event-type": name, ":content-type": "application/json", ":message-type": "event"}
    return message(headers, json.dumps(payload, ensure_ascii=False).encode())


def exception(name: str, text: str) -> bytes:
    """An exception inside a stream."""
    headers = {":exception-type": name, ":content-type": "application/json", ":message-type": "exception"}
    return message(headers, json.dumps({"message": text}).encode())


def error(text: str, *, code: str) -> dict[str, Any]:
    """The body of an error that comes instead of a stream."""
    return {"__type": f"com.amazon.coral.service#{code}", "message": text}


def converse(
    texts: Sequence[str],
    *,
    reason: str = "end_turn",
    usage: bool = True,
    tool: tuple[str, Sequence[str]] | None = None,
) -> list[bytes]:
    """A message as its stream of events."""
    events = [event("messageStart", {"role": "assistant", "p": "abcd"})]
    events += [event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": text}}) for text in texts]
    events.append(event("contentBlockStop", {"contentBlockIndex": 0}))
    if tool is not None:
        name, fragments = tool
        start = {"toolUse": {"toolUseId": "call_1", "name": name}}
        events.append(event("contentBlockStart", {"contentBlockIndex": 1, "start": start}))
        for fragment in fragments:
            delta = {"toolUse": {"input": fragment}}
            events.append(event("contentBlockDelta", {"contentBlockIndex": 1, "delta": delta}))
        events.append(event("contentBlockStop", {"contentBlockIndex": 1}))
    events.append(event("messageStop", {"stopReason": reason}))
    if usage:
        events.append(event("metadata", {"usage": USAGE, "metrics": {"latencyMs": 12}}))
    return events


def _header(name: str, value: str) -> bytes:
    key, text = name.encode(), value.encode()
    return struct.pack("!B", len(key)) + key + struct.pack("!BH", STRING, len(text)) + text
