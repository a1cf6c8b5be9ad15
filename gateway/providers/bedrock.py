"""Models on AWS Bedrock by its Converse API, which is the same for all of them."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncGenerator, Iterator
from functools import cached_property

from gateway.abilities import ToolChoice
from gateway.errors import InvalidCredentials, StreamBroken, Unsupported
from gateway.profiles import ModelProfile
from gateway.providers.aws import AWS_RULES, Aws, AwsAccess, Frames, aws_errors, reported_by_aws
from gateway.providers.exchange import Upstream, exchange, timeout
from gateway.providers.turns import arguments, system_messages, turns
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

REASONS = {
    "end_turn": FinishReason.STOP,
    "stop_sequence": FinishReason.STOP,
    "max_tokens": FinishReason.LENGTH,
    "model_context_window_exceeded": FinishReason.LENGTH,
    "tool_use": FinishReason.TOOL_CALL,
    "guardrail_intervened": FinishReason.CONTENT_FILTER,
    "content_filtered": FinishReason.CONTENT_FILTER,
}
CHOICES: dict[ToolChoice, JSON] = {ToolChoice.AUTO: {"auto": {}}, ToolChoice.REQUIRED: {"any": {}}}
KEPT: JSON = {"cachePoint": {"type": "default"}}


class BedrockProvider:
    """One model of one region. `guardrail` is `id:version` of a guardrail that every call passes."""

    name = "bedrock"

    def __init__(self, profile: ModelProfile, *, access: AwsAccess, guardrail: str = "") -> None:
        self.profile = profile
        self._access, self._guardrail = access, guardrail

    def __repr__(self) -> str:
        return f"BedrockProvider({self.profile.id!r})"

    def stream(self, call: Call, trace: Trace) -> AsyncGenerator[StreamEvent, None]:
        async def opening() -> Upstream:
            if not self._access.region:
                raise InvalidCredentials("CITEDESK_BEDROCK_REGION is not set")
            return Frames(await self._aws.request("converse_stream", self._request(call), timeout(call)))

        secret = self._access.secret
        reader = ConverseReader(self.profile.model, secret)
        return exchange(opening, reader, sdk_error=aws_errors, secret=secret, rules=AWS_RULES)

    async def aclose(self) -> None:
        if "_aws" in self.__dict__:
            await self._aws.aclose()

    @cached_property
    def _aws(self) -> Aws:
        return Aws(self._access)

    def _request(self, call: Call) -> JSON:
        profile, options = self.profile, call.options
        inference: JSON = {"maxTokens": min(options.max_tokens, profile.max_output)}
        if profile.temperature:
            inference["temperature"] = options.temperature
        request: JSON = {
            "modelId": profile.model,
            "messages": [
                {"role": side, "content": [block for each in turn for block in blocks(each, caching=profile.caching)]}
                for side, turn in turns(call.messages)
            ],
            "inferenceConfig": inference,
        }
        if system := system_messages(call.messages):
            request["system"] = [block for each in system for block in blocks(each, caching=profile.caching)]
        if self._guardrail:
            name, _, version = self._guardrail.rpartition(":")
            request["guardrailConfig"] = {"guardrailIdentifier": name, "guardrailVersion": version}
        if options.output is not None and profile.json_schema:
            request["outputConfig"] = {"textFormat": _text_format(options.output.name, options.output.schema)}
        return {**request, **_tools(call)}


def blocks(message: Message, *, caching: bool) -> list[JSON]:
    """One message as blocks of content."""
    if message.role == "tool":
        found: list[JSON] = [
            {"toolResult": {"toolUseId": message.tool_call_id, "content": [{"text": message.content}]}}
        ]
    else:
        found = [
            {"image": {"format": image.media_type.partition("/")[2], "source": {"bytes": base64.b64decode(image.data)}}}
            for image in message.images
        ]
        found += [{"text": message.content}] if message.content.strip() else []
        found += [
            {"toolUse": {"toolUseId": each.id, "name": each.name, "input": arguments(each)}}
            for each in message.tool_calls
        ]
    return [*found, KEPT] if message.cache and caching else found


def _text_format(name: str, schema: JSON) -> JSON:
    if not closed(schema):
        raise Unsupported("Bedrock takes a schema only if its objects require all properties and allow no others")
    return {"type": "json_schema", "structure": {"jsonSchema": {"name": name, "schema": json.dumps(schema)}}}


def _tools(call: Call) -> JSON:
    """The API cannot be told to call none: it is then told of none, if the conversation allows it."""
    options = call.options
    if not options.tools:
        return {}
    if options.tool_choice is ToolChoice.NONE:
        if any(message.tool_calls for message in call.messages):
            raise Unsupported("Bedrock cannot be kept from calling tools in a conversation that has calls")
        return {}
    tools = [
        {"toolSpec": {"name": tool.name, "description": tool.description, "inputSchema": {"json": tool.parameters}}}
        for tool in options.tools
    ]
    return {"toolConfig": {"tools": tools, "toolChoice": CHOICES[options.tool_choice]}}


class ConverseReader:
    """Reads the events of one message. `messageStop` is the terminator; usage follows it."""

    def __init__(self, model: str, secret: str) -> None:
        self.finished: Finished | None = None
        self.usage: Usage | None = None
        self._model, self._secret = model, secret
        self._calls: dict[int, int] = {}

    @property
    def complete(self) -> bool:
        return self.finished is not None and self.usage is not None

    def read(self, event: tuple[str, str, JSON]) -> Iterator[StreamEvent]:
        kind, name, payload = event
        if kind != "event":
            raise reported_by_aws(name, payload, self._secret)
        match name:
            case "contentBlockStart":
                yield from self._start(payload["contentBlockIndex"], payload.get("start", {}))
            case "contentBlockDelta":
                yield from self._delta(payload["contentBlockIndex"], payload["delta"])
            case "messageStop":
                self._end(payload["stopReason"])
            case "metadata":
                self.usage = converse_usage(payload.get("usage", {}))

    def _start(self, index: int, start: JSON) -> Iterator[StreamEvent]:
        if tool := start.get("toolUse"):
            yield ToolCallDelta(self._call(index), tool["toolUseId"], tool["name"], "")

    def _delta(self, index: int, delta: JSON) -> Iterator[StreamEvent]:
        if delta.get("text"):
            yield TextDelta(str(delta["text"]))
        elif delta.get("toolUse"):
            yield ToolCallDelta(self._call(index), "", "", str(delta["toolUse"]["input"]))

    def _call(self, block: int) -> int:
        """Tool calls are counted among themselves; blocks of text stand between them."""
        return self._calls.setdefault(block, len(self._calls))

    def _end(self, reason: str) -> None:
        if reason not in REASONS:
            raise StreamBroken(f"the provider ended for a reason that we do not know: {reason[:40]!r}")
        self.finished = Finished(REASONS[reason], self._model)


def converse_usage(usage: JSON) -> Usage | None:
    """None where there is none (B3). What the cache read and wrote is counted beside the input."""
    cached, written = usage.get("cacheReadInputTokens") or 0, usage.get("cacheWriteInputTokens") or 0
    read = (usage.get("inputTokens") or 0) + cached + written
    if not read:
        return None
    return Usage(
        input_tokens=read,
        output_tokens=usage.get("outputTokens") or 0,
        cached_tokens=cached,
        cache_write_tokens=written,
    )
