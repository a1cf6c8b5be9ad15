"""Events as a response of server-sent events (WHATWG HTML, section 9.2)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

from django.http import StreamingHttpResponse

# What the API's document says of such a response: of each event, as OpenAPI 3.2 describes streams.
EVENT = {
    "type": "object",
    "required": ["id", "event", "data"],
    "properties": {
        "id": {"type": "string", "pattern": "^[0-9]+$"},
        "event": {"enum": ["accepted", "progress", "sources", "delta", "citation", "retract", "final", "error"]},
        "data": {"type": "string", "contentMediaType": "application/json"},
    },
}
STREAM = {
    "responses": {
        200: {
            "description": "Numbered events; after final or error nothing follows",
            "content": {"text/event-stream": {"schema": EVENT}},
        }
    }
}


def sse(events: AsyncIterator[dict[str, Any]]) -> StreamingHttpResponse:
    """`id` is the event's number, so that a reader can resume after it."""

    async def lines() -> AsyncIterator[str]:
        async for event in events:
            yield f"id: {event['n']}\nevent: {event['type']}\ndata: {json.dumps(event)}\n\n"

    response = StreamingHttpResponse(lines(), content_type="text/event-stream")
    response["Cache-Control"] = "no-cache"
    response["X-Accel-Buffering"] = "no"
    return response


async def one(event: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
    yield event
