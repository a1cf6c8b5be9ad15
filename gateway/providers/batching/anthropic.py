"""Anthropic's Message Batches: the requests are sent with the batch, the results read as one file.

A batch carries nothing of ours but the custom ids of its requests, which only its results show. One
whose beginning nobody heard of is known by its time, its size and, once it has ended, by those ids;
until then it cannot be told, and nothing is submitted again.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Iterator
from contextlib import AbstractContextManager, aclosing
from typing import TYPE_CHECKING, cast

from gateway.errors import BatchCancelled, BatchExpired, GatewayError
from gateway.providers.anthropic import AnthropicProvider, MessagesReader, anthropic_error
from gateway.providers.batching.base import SKEW, Found, Progress, Remote, Result, Upload, read_whole, shaped
from gateway.providers.errors import decided, translated
from gateway.providers.exchange import require_key
from gateway.types import JSON, Call

if TYPE_CHECKING:
    from anthropic.types.messages import MessageBatch

PATH = "/v1/messages/batches"
NO_STATUS = {"invalid_request_error": 400, "authentication_error": 401, "permission_error": 403}


class AnthropicBatches(AnthropicProvider):
    def line(self, call: Call) -> bytes:
        params = {name: value for name, value in self._request(call).items() if name != "stream"}
        return json.dumps({"custom_id": str(call.id), "params": params}, ensure_ascii=True).encode()

    async def submit(self, upload: Upload) -> str:
        with self._translated():
            requests = [json.loads(line) for line in upload.lines.values()]
            return (await self._client.messages.batches.create(requests=requests)).id

    async def find(self, upload: Upload) -> Found:
        with self._translated():
            like_ours = [
                batch async for batch in self._client.messages.batches.list(limit=100) if _may_be(batch, upload)
            ]
        for batch in like_ours:
            if batch.processing_status == "ended" and batch.archived_at is None:
                async with aclosing(self.results(batch.id, Progress(Remote.COMPLETED))) as results:
                    first = await anext(results, None)
                if first is not None and first.custom_id in upload.lines:
                    return Found(batch.id)
        return Found(undecided=any(batch.processing_status != "ended" for batch in like_ours))

    async def progress(self, remote_id: str) -> Progress:
        with self._translated():
            batch = await self._client.messages.batches.retrieve(remote_id)
        if batch.processing_status != "ended":
            return Progress(Remote.PROCESSING)
        return Progress(Remote.COMPLETED, _size(batch))

    async def results(self, remote_id: str, progress: Progress) -> AsyncGenerator[Result, None]:
        """From the configured address, not from the one that the provider names: a key goes to no other (S8)."""
        from anthropic import AsyncStream
        from anthropic._decoders.jsonl import AsyncJSONLDecoder

        with self._translated():
            answer = await self._client.get(
                f"{PATH}/{remote_id}/results",
                cast_to=AsyncJSONLDecoder[object],
                options={"headers": {"Accept": "application/binary"}},
                stream=True,
                stream_cls=AsyncStream[object],
            )
            lines = cast("AsyncJSONLDecoder[object]", answer)  # the SDK goes by `cast_to`, as in its own `results`
            try:
                async for line in lines:
                    yield self._result(shaped(line))
            finally:
                await lines.close()

    async def cancel(self, remote_id: str) -> None:
        with self._translated():
            await self._client.messages.batches.cancel(remote_id)

    async def tidy(self, remote_id: str, progress: Progress) -> None:
        with self._translated():
            await self._client.messages.batches.delete(remote_id)

    def _result(self, line: JSON) -> Result:
        custom_id, result = line["custom_id"], line.get("result") or {}
        kind = result.get("type")
        if kind == "expired":
            return Result(custom_id, error=BatchExpired("the provider did not come to it in time"))
        if kind == "canceled":
            return Result(custom_id, error=BatchCancelled("the batch was cancelled"))
        if kind == "errored":
            return Result(custom_id, error=self._error(result.get("error") or {}))
        events, broken = read_whole(MessagesReader(), lambda: _as_stream(result["message"]), self._translated())
        return Result(custom_id, events, broken)

    def _error(self, told: JSON) -> GatewayError:
        inner = told.get("error") if isinstance(told.get("error"), dict) else told
        assert inner is not None
        kind = str(inner.get("type") or "")
        return decided(NO_STATUS.get(kind, 500), frozenset({kind}), str(inner.get("message") or ""), self._key)

    def _translated(self) -> AbstractContextManager[None]:
        require_key(self._key, "ANTHROPIC_API_KEY")
        return translated(anthropic_error(), self._key)


def _as_stream(message: JSON) -> Iterator[JSON]:
    yield {"type": "message_start", "message": message}
    for index, block in enumerate(message["content"]):
        yield {"type": "content_block_start", "index": index, "content_block": block}
        if block["type"] == "tool_use":
            fragment = json.dumps(block.get("input") or {}, ensure_ascii=False)
            yield {
                "type": "content_block_delta",
                "index": index,
                "delta": {"type": "input_json_delta", "partial_json": fragment},
            }
    yield {"type": "message_delta", "delta": {"stop_reason": message["stop_reason"]}, "usage": message.get("usage")}
    yield {"type": "message_stop"}


def _may_be(batch: MessageBatch, upload: Upload) -> bool:
    return batch.created_at >= upload.begun - SKEW and _size(batch) == len(upload.lines)


def _size(batch: MessageBatch) -> int:
    counts = batch.request_counts
    return counts.processing + counts.succeeded + counts.errored + counts.canceled + counts.expired
