"""Anthropic's Messages API. Its SDK's events are taken as they were sent, as in `openai_chat`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from functools import cached_property
from typing import TYPE_CHECKING

from gateway.abilities import ToolChoice
from gateway.errors import StreamBroken
from gateway.profiles import ModelProfile
from gateway.providers.exchange import Upstream, exchange, http_client, require_key, timeout
from gateway.providers.fronts import NO_FRONT, Front
from gateway.providers.turns import arguments, system_messages, turns
from gateway.types import (
    JSON,
    Call,
    Finished,
    FinishReason,
    Message,
    Options,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    Trace,
    Usage,
)

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic
    from anthropic._types import RequestOptions

ANTHROPIC_URL = "https://api.anthropic.com"
REASONS = {
    "end_turn": FinishReason.STOP,
    "stop_sequence": FinishReason.STOP,
    "max_tokens": FinishReason.LENGTH,
    "model_context_window_exceeded": FinishReason.LENGTH,
    "tool_use": FinishReason.TOOL_CALL,
    "refusal": FinishReason.REFUSAL,
}
CHOICES = {ToolChoice.AUTO: "auto", ToolChoice.REQUIRED: "any", ToolChoice.NONE: "none"}
CACHED = {"type": "ephemeral"}  # for five minutes, renewed by each use


class AnthropicProvider:
    """Claude by the Messages API. Retries are off in the SDK: they are `gateway.retry`'s."""

    name = "anthropic"

    def __init__(self, profile: ModelProfile, *, key: str, url: str, front: Front = NO_FRONT) -> None:
        self.profile = profile
        self._key, self._url, self._front = key, url or ANTHROPIC_URL, front

    def __repr__(self) -> str:
        return f"AnthropicProvider({self.profile.id!r})"

    def stream(self, call: Call, trace: Trace) -> AsyncGenerator[StreamEvent, None]:
        async def opening() -> Upstream:
            require_key(self._key, "ANTHROPIC_API_KEY")
            from anthropic import AsyncStream

            options: RequestOptions = {"headers": self._front.request_headers(call), "timeout": timeout(call)}
            body, kind = self._request(call), AsyncStream[object]
            stream = await self._client.post(
                "/v1/messages", cast_to=object, body=body, options=options, stream=True, stream_cls=kind
            )
            self._front.note(stream.response.headers, trace)
            return stream

        return exchange(opening, MessagesReader(), sdk_error=anthropic_error, secret=self._key)

    async def aclose(self) -> None:
        if "_client" in self.__dict__:
            await self._client.close()

    @cached_property
    def _client(self) -> AsyncAnthropic:
        from anthropic import AsyncAnthropic

        # The address is always given, or the SDK would take one from the environment.
        return AsyncAnthropic(api_key=self._key, base_url=self._url, max_retries=0, http_client=http_client())

    def _request(self, call: Call) -> JSON:
        profile, options = self.profile, call.options
        request: JSON = {
            "model": profile.model,
            "max_tokens": min(options.max_tokens, profile.max_output),
            "messages": [
                {"role": side, "content": content(turn, caching=profile.caching)} for side, turn in turns(call.messages)
            ],
            "stream": True,
        }
        if system := system_messages(call.messages):
            request["system"] = _text_blocks(system, caching=profile.caching)
        if profile.temperature:
            request["temperature"] = options.temperature
        if profile.reasoning == "none":
            request["thinking"] = {"type": "disabled"}
        output_config = _output_config(profile, options)
        return {**request, **_tools(options), **({"output_config": output_config} if output_config else {})}


def content(turn: list[Message], *, caching: bool) -> str | list[JSON]:
    """What one side says: its text alone where there is nothing else to it."""
    if len(turn) == 1 and turn[0] == Message(turn[0].role, turn[0].content) and turn[0].role != "tool":
        return turn[0].content
    blocks = [block for message in turn for block in _blocks(message, caching=caching)]
    return sorted(blocks, key=lambda block: block["type"] != "tool_result")  # the API wants results first


def _blocks(message: Message, *, caching: bool) -> list[JSON]:
    if message.role == "tool":
        blocks: list[JSON] = [{"type": "tool_result", "tool_use_id": message.tool_call_id, "content": message.content}]
    else:
        blocks = [
            {"type": "image", "source": {"type": "base64", "media_type": image.media_type, "data": image.data}}
            for image in message.images
        ]
        blocks += [{"type": "text", "text": message.content}] if message.content.strip() else []
        blocks += [
            {"type": "tool_use", "id": each.id, "name": each.name, "input": arguments(each)}
            for each in message.tool_calls
        ]
    if message.cache and caching:
        blocks[-1] = {**blocks[-1], "cache_control": CACHED}
    return blocks


def _text_blocks(system: list[Message], *, caching: bool) -> str | list[JSON]:
    if not (caching and any(message.cache for message in system)):
        return "\n\n".join(message.content for message in system)
    return [block for message in system for block in _blocks(message, caching=caching)]


def _tools(options: Options) -> JSON:
    if not options.tools:
        return {}
    tools = [
        {"name": tool.name, "description": tool.description, "input_schema": tool.parameters} for tool in options.tools
    ]
    return {"tools": tools, "tool_choice": {"type": CHOICES[options.tool_choice]}}


def _output_config(profile: ModelProfile, options: Options) -> JSON:
    config: JSON = {"effort": profile.reasoning} if profile.reasoning not in {"", "none"} else {}
    if options.output is not None and profile.json_schema:
        from anthropic import transform_schema  # closes its objects, and puts what the API refuses into words

        config["format"] = {"type": "json_schema", "schema": transform_schema(options.output.schema)}
    return config


def anthropic_error() -> type[Exception]:
    """The root of the SDK's errors, imported when it is first needed."""
    from anthropic import AnthropicError

    return AnthropicError


class MessagesReader:
    """Reads the events of one message. `message_delta` says why it ended, and `message_stop` is
    the terminator."""

    def __init__(self) -> None:
        self.finished: Finished | None = None
        self.usage: Usage | None = None
        self._model, self._reason = "", ""
        self._counted: dict[str, int] = {}
        self._reasoning = 0
        self._calls: dict[int, int] = {}

    @property
    def complete(self) -> bool:
        return self.finished is not None

    def read(self, event: JSON) -> Iterator[StreamEvent]:
        match event["type"]:
            case "message_start":
                self._model = event["message"].get("model") or ""
                self._count(event["message"].get("usage"))
            case "content_block_start":
                yield from self._block(event["index"], event["content_block"])
            case "content_block_delta":
                yield from self._delta(event["index"], event["delta"])
            case "message_delta":
                self._reason = event["delta"].get("stop_reason") or self._reason
                self._count(event.get("usage"))
            case "message_stop":
                self._end()

    def _block(self, index: int, block: JSON) -> Iterator[StreamEvent]:
        if block["type"] == "text" and block["text"]:
            yield TextDelta(str(block["text"]))
        elif block["type"] == "tool_use":
            yield ToolCallDelta(self._call(index), block.get("id") or "", block.get("name") or "", "")

    def _delta(self, index: int, delta: JSON) -> Iterator[StreamEvent]:
        if delta["type"] == "text_delta" and delta["text"]:
            yield TextDelta(str(delta["text"]))
        elif delta["type"] == "input_json_delta" and delta["partial_json"]:
            yield ToolCallDelta(self._call(index), "", "", delta["partial_json"])

    def _call(self, block: int) -> int:
        """Tool calls are counted among themselves; blocks of text stand between them."""
        return self._calls.setdefault(block, len(self._calls))

    def _count(self, usage: JSON | None) -> None:
        """Counts are cumulative, and a later event may leave some out."""
        if usage is None:
            return
        for name in ("input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens"):
            self._counted[name] = usage.get(name) or self._counted.get(name, 0)
        details = usage.get("output_tokens_details")
        self._reasoning = (details.get("thinking_tokens") or 0) if details else self._reasoning

    def _end(self) -> None:
        if self._reason not in REASONS:
            raise StreamBroken(f"the provider ended for a reason that we do not know: {self._reason[:40]!r}")
        counted = self._counted
        cached = counted.get("cache_read_input_tokens", 0)
        written = counted.get("cache_creation_input_tokens", 0)
        read = counted.get("input_tokens", 0) + written + cached
        if read:
            self.usage = Usage(
                input_tokens=read,
                output_tokens=counted.get("output_tokens", 0),
                cached_tokens=cached,
                reasoning_tokens=self._reasoning,
                cache_write_tokens=written,
            )
        self.finished = Finished(REASONS[self._reason], self._model)
