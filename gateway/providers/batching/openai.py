"""OpenAI's Batch API: a file of requests, a batch of it, and one or two files of results.

The batch carries our reference in its metadata, so that one whose beginning nobody heard of is found
again. The files are deleted once their results are booked, and end by themselves after `KEPT`.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Iterator
from contextlib import AbstractContextManager, suppress
from typing import TYPE_CHECKING

from gateway.errors import BatchCancelled, BatchExpired, GatewayError, InvalidRequest, ProviderError, RateLimited
from gateway.providers.batching.base import (
    SKEW,
    Found,
    Progress,
    Remote,
    Result,
    Upload,
    joined,
    read_whole,
    shaped,
)
from gateway.providers.errors import decided, reported, safe, translated
from gateway.providers.exchange import Reader
from gateway.providers.openai_chat import ChatReader, OpenAIChatProvider, openai_error
from gateway.providers.openai_responses import OpenAIResponsesProvider, ResponsesReader
from gateway.types import JSON, Call

if TYPE_CHECKING:
    from openai.types import Batch

KEPT = 7 * 24 * 3600  # seconds
REFERENCE = "citedesk"
QUEUE_FULL = "token_limit_exceeded"  # of a model's batches that wait: nothing is wrong with this one
STATES = {
    "completed": Remote.COMPLETED,
    "expired": Remote.EXPIRED,
    "cancelled": Remote.CANCELLED,
    "failed": Remote.FAILED,
}
UNREACHED = {"batch_expired": BatchExpired, "batch_cancelled": BatchCancelled}


class OpenAIChatBatches(OpenAIChatProvider):
    """By Chat Completions."""

    endpoint = "/v1/chat/completions"

    def line(self, call: Call) -> bytes:
        body = {name: value for name, value in self._request(call).items() if name not in {"stream", "stream_options"}}
        request = {"custom_id": str(call.id), "method": "POST", "url": self.endpoint, "body": {**body, "store": False}}
        return json.dumps(request, ensure_ascii=True).encode()

    async def submit(self, upload: Upload) -> str:
        self._check()
        with self._translated():
            file = await self._client.files.create(
                file=(f"{upload.ref}.jsonl", joined(list(upload.lines.values()))),
                purpose="batch",
                expires_after={"anchor": "created_at", "seconds": KEPT},
            )
            batch = await self._client.batches.create(
                input_file_id=file.id,
                endpoint=self.endpoint,  # type: ignore[arg-type]
                completion_window="24h",
                metadata={REFERENCE: upload.ref},
                output_expires_after={"anchor": "created_at", "seconds": KEPT},
            )
        return batch.id

    async def find(self, upload: Upload) -> Found:
        self._check()
        since = (upload.begun - SKEW).timestamp()
        with self._translated():
            async for batch in self._client.batches.list(limit=100):
                if batch.created_at < since:
                    break
                if batch.status != "failed" and (batch.metadata or {}).get(REFERENCE) == upload.ref:
                    return Found(batch.id)
        return Found()

    async def progress(self, remote_id: str) -> Progress:
        self._check()
        with self._translated():
            batch = await self._client.batches.retrieve(remote_id)
        state = STATES.get(batch.status, Remote.PROCESSING)
        counts = batch.request_counts
        counted = counts.completed + counts.failed if counts else 0
        files = tuple(each for each in (batch.output_file_id, batch.error_file_id) if each)
        return Progress(state, counted, files, _failure(batch, self._key) if state is Remote.FAILED else None)

    async def results(self, remote_id: str, progress: Progress) -> AsyncGenerator[Result, None]:
        self._check()
        with self._translated():
            for file in progress.files:
                async with self._client.files.with_streaming_response.content(file) as response:
                    async for text in response.iter_lines():
                        if text.strip():
                            yield self._result(shaped(json.loads(text)))

    async def cancel(self, remote_id: str) -> None:
        self._check()
        with self._translated():
            await self._client.batches.cancel(remote_id)

    async def tidy(self, remote_id: str, progress: Progress) -> None:
        self._check()
        with self._translated():
            batch = await self._client.batches.retrieve(remote_id)
        for file in (batch.input_file_id, *progress.files):
            with suppress(ProviderError), self._translated():
                await self._client.files.delete(file)

    def _result(self, line: JSON) -> Result:
        error, response = line.get("error"), line.get("response") or {}
        if error:
            return Result(line["custom_id"], error=_refused(error, self._key))
        body, status = response.get("body") or {}, response.get("status_code")
        if status != 200:
            return Result(line["custom_id"], error=_status(status, body, self._key))
        events, broken = read_whole(self._reader(), lambda: self._as_stream(body), self._translated())
        return Result(line["custom_id"], events, broken)

    def _reader(self) -> Reader:
        return ChatReader()

    def _as_stream(self, body: JSON) -> Iterator[JSON]:
        yield {"model": body.get("model"), "usage": body.get("usage") or {}, "choices": []}
        choice = body["choices"][0]
        message = choice["message"]
        calls = [{**each, "index": index} for index, each in enumerate(message.get("tool_calls") or ())]
        delta = {"content": message.get("content"), "refusal": message.get("refusal"), "tool_calls": calls}
        reason = choice["finish_reason"]
        yield {"model": body.get("model"), "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}

    def _translated(self) -> AbstractContextManager[None]:
        return translated(openai_error(), self._key)


class OpenAIResponsesBatches(OpenAIChatBatches, OpenAIResponsesProvider):
    """By the Responses API."""

    endpoint = "/v1/responses"

    def _reader(self) -> Reader:
        return ResponsesReader(self._key)

    def _as_stream(self, body: JSON) -> Iterator[JSON]:
        for index, item in enumerate(body["output"]):
            yield {"type": "response.output_item.added", "output_index": index, "item": item}
            for part in item.get("content") or () if item["type"] == "message" else ():
                kind = "refusal" if part["type"] == "refusal" else "output_text"
                said = part.get("refusal") if kind == "refusal" else part.get("text")
                yield {"type": f"response.{kind}.delta", "delta": said or ""}
        yield {"type": "response.failed" if body["status"] == "failed" else "response.completed", "response": body}


def _refused(error: JSON, secret: str) -> GatewayError:
    code, message = str(error.get("code") or ""), str(error.get("message") or "")
    if code in UNREACHED:
        return UNREACHED[code](message)
    return reported(code, message, secret)


def _status(status: int | None, body: JSON, secret: str) -> ProviderError:
    error = body.get("error") if isinstance(body.get("error"), dict) else {}
    assert error is not None
    codes = frozenset(str(error[name]) for name in ("code", "type") if isinstance(error.get(name), str))
    return decided(status, codes, str(error.get("message") or ""), secret)


def _failure(batch: Batch, secret: str) -> ProviderError:
    """The first thing that OpenAI has against the file; a code of its own means that it is malformed."""
    found = (batch.errors.data or []) if batch.errors else []
    if not found:
        return InvalidRequest("the provider refused the batch and does not say why")
    if found[0].code == QUEUE_FULL:
        return RateLimited(safe(found[0].message or QUEUE_FULL, secret))
    told = reported(found[0].code, found[0].message, secret)
    return told if told.code != "stream_broken" else InvalidRequest(told.detail)
