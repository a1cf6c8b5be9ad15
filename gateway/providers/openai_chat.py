"""Chat Completions: OpenAI's older API, and the one that everybody else speaks.

The SDK sends the request, reads the stream and raises its errors. Its chunks are taken as they were
sent, not as its models: to build those costs more time than all else that the gateway does.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from gateway.abilities import Image, OutputSchema, Tool
from gateway.errors import StreamBroken
from gateway.profiles import ModelProfile
from gateway.providers.exchange import Upstream, exchange, http_client, require_key, timeout
from gateway.providers.fronts import NO_FRONT, Front
from gateway.schemas import closed
from gateway.types import (
    JSON,
    Call,
    Finished,
    FinishReason,
    Message,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    Trace,
    Usage,
)

if TYPE_CHECKING:
    from openai import AsyncOpenAI, AsyncStream
    from openai._types import RequestOptions

OPENAI_URL = "https://api.openai.com/v1"
REASONS = {
    "stop": FinishReason.STOP,
    "eos": FinishReason.STOP,
    "length": FinishReason.LENGTH,
    "tool_calls": FinishReason.TOOL_CALL,
    "function_call": FinishReason.TOOL_CALL,
    "content_filter": FinishReason.CONTENT_FILTER,
}


class OpenAIChatProvider:
    """OpenAI by Chat Completions. Retries are off in the SDK: they are `gateway.retry`'s."""

    name = "openai"

    def __init__(self, profile: ModelProfile, *, key: str, url: str, front: Front = NO_FRONT) -> None:
        self.profile = profile
        self._key, self._url, self._front = key, url or OPENAI_URL, front

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.profile.id!r})"

    def stream(self, call: Call, trace: Trace) -> AsyncGenerator[StreamEvent, None]:
        return self._exchange({**self._request(call), "store": False}, call, trace)

    async def aclose(self) -> None:
        if "_client" in self.__dict__:
            await self._client.close()

    @cached_property
    def _client(self) -> AsyncOpenAI:
        from openai import AsyncOpenAI

        # The address is always given, or the SDK would take one from the environment.
        return AsyncOpenAI(api_key=self._key, base_url=self._url, max_retries=0, http_client=http_client())

    def _request(self, call: Call) -> JSON:
        profile, options = self.profile, call.options
        request: JSON = {
            "model": profile.model,
            "messages": [chat_message(each) for each in call.messages],
            profile.token_parameter: min(options.max_tokens, profile.max_output),
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if profile.temperature:
            request["temperature"] = options.temperature
        if profile.reasoning:
            request["reasoning_effort"] = profile.reasoning
        if options.tools:
            request["tools"] = [{"type": "function", "function": function(tool)} for tool in options.tools]
            request["tool_choice"] = options.tool_choice.value
        if options.output is not None and profile.json_schema:
            request["response_format"] = {"type": "json_schema", "json_schema": json_schema(options.output)}
        return request

    def _exchange(self, request: JSON, call: Call, trace: Trace) -> AsyncGenerator[StreamEvent, None]:
        async def opening() -> Upstream:
            self._check()
            headers = {**request.get("extra_headers", {}), **self._front.request_headers(call)}
            body = {name: value for name, value in request.items() if name != "extra_headers"}
            stream = await self._open("/chat/completions", body, headers, call)
            self._front.note(stream.response.headers, trace)
            return stream

        return exchange(opening, ChatReader(), sdk_error=openai_error, secret=self._key)

    async def _open(self, path: str, body: JSON, headers: Mapping[str, Any], call: Call) -> AsyncStream[object]:
        from openai import AsyncStream

        options: RequestOptions = {"headers": headers, "timeout": timeout(call)}
        return await self._client.post(
            path, cast_to=object, body=body, options=options, stream=True, stream_cls=AsyncStream[object]
        )

    def _check(self) -> None:
        require_key(self._key, "OPENAI_API_KEY")


def chat_message(message: Message) -> JSON:
    """One message as Chat Completions takes it."""
    if message.role == "tool":
        return {"role": "tool", "tool_call_id": message.tool_call_id, "content": message.content}
    content: str | list[JSON] | None = message.content
    if message.images:
        content = [{"type": "image_url", "image_url": {"url": data_url(image)}} for image in message.images]
        content += [{"type": "text", "text": message.content}] if message.content else []
    if not message.tool_calls:
        return {"role": message.role, "content": content}
    calls = [
        {"id": each.id, "type": "function", "function": {"name": each.name, "arguments": each.arguments}}
        for each in message.tool_calls
    ]
    return {"role": message.role, "content": content or None, "tool_calls": calls}


def function(tool: Tool) -> JSON:
    """A tool as both of OpenAI's APIs describe it."""
    return {"name": tool.name, "description": tool.description, "parameters": tool.parameters}


def json_schema(output: OutputSchema) -> JSON:
    """A schema as both of OpenAI's APIs take it; strictly where it is one that they can enforce."""
    return {"name": output.name, "schema": output.schema, "strict": closed(output.schema)}


def data_url(image: Image) -> str:
    return f"data:{image.media_type};base64,{image.data}"


def openai_error() -> type[Exception]:
    """The root of the SDK's errors, imported when it is first needed."""
    from openai import OpenAIError

    return OpenAIError


class ChatReader:
    """Reads the chunks of one completion. The finish reason is the terminator of its text; usage
    follows it in a chunk of its own, and some servers send none."""

    def __init__(self) -> None:
        self.finished: Finished | None = None
        self.usage: Usage | None = None
        self._refused = False
        self._named: set[int] = set()

    @property
    def complete(self) -> bool:
        return self.finished is not None and self.usage is not None

    def read(self, event: JSON) -> Iterator[StreamEvent]:
        choices, usage = event.get("choices"), event.get("usage")
        if choices is None and usage is None:
            raise StreamBroken("an event of the stream is no chunk of a completion")
        if usage is not None:
            self.usage = chat_usage(usage)
        for choice in choices or ():
            if choice.get("index"):
                continue  # one answer was asked for
            if choice.get("delta") is not None:
                yield from self._delta(choice["delta"])
            if choice.get("finish_reason"):
                self._end(choice["finish_reason"], event.get("model") or "")

    def _delta(self, delta: JSON) -> Iterator[StreamEvent]:
        if delta.get("content"):
            yield TextDelta(str(delta["content"]))
        if delta.get("refusal"):
            self._refused = True
            yield TextDelta(str(delta["refusal"]))
        for call in delta.get("tool_calls") or ():
            function, index = call.get("function") or {}, call.get("index") or 0
            name = (function.get("name") or "") if index not in self._named else ""
            self._named.add(index)
            yield ToolCallDelta(index, call.get("id") or "", name, function.get("arguments") or "")

    def _end(self, reason: str, model: str) -> None:
        if reason not in REASONS:
            raise StreamBroken(f"the provider ended for a reason that we do not know: {reason[:40]!r}")
        self.finished = Finished(FinishReason.REFUSAL if self._refused else REASONS[reason], model)


def chat_usage(usage: JSON) -> Usage | None:
    """None where a server fills the field in with zeros: no prompt is empty (B3)."""
    return openai_usage(usage, "prompt", "completion")


def openai_usage(usage: JSON, read: str, written: str) -> Usage | None:
    """What either of OpenAI's APIs reports, under its own two words for what was read and written."""
    if not usage.get(f"{read}_tokens"):
        return None
    reading, writing = usage.get(f"{read}_tokens_details") or {}, usage.get(f"{written}_tokens_details") or {}
    return Usage(
        input_tokens=usage[f"{read}_tokens"],
        output_tokens=usage.get(f"{written}_tokens") or 0,
        cached_tokens=reading.get("cached_tokens") or 0,
        reasoning_tokens=writing.get("reasoning_tokens") or 0,
        cache_write_tokens=reading.get("cache_write_tokens") or 0,
    )
