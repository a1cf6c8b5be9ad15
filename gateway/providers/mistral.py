"""Mistral's own API."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from gateway.abilities import Safety, ToolChoice
from gateway.errors import ProviderError, StreamBroken
from gateway.profiles import ModelProfile
from gateway.providers.errors import RULES, broken, decided
from gateway.providers.exchange import Events, Upstream, exchange, extra, one_timeout_client, require_key
from gateway.providers.openai_chat import data_url, function, json_schema
from gateway.providers.turns import tool_names
from gateway.providers.waiting import retry_after
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
    from mistralai.client import Mistral
    from mistralai.client.models import CompletionEvent, DeltaMessage, UsageInfo

MISTRAL_URL = "https://api.mistral.ai"
REASONS = {
    "stop": FinishReason.STOP,
    "length": FinishReason.LENGTH,
    "model_length": FinishReason.LENGTH,
    "tool_calls": FinishReason.TOOL_CALL,
}
CHOICES = {ToolChoice.AUTO: "auto", ToolChoice.REQUIRED: "any", ToolChoice.NONE: "none"}
CALL_ID = re.compile(r"[a-zA-Z0-9]{9}")


class MistralProvider:
    """Mistral by Chat Completions. Retries are off in the SDK: they are `gateway.retry`'s."""

    name = "mistral"

    def __init__(self, profile: ModelProfile, *, key: str, url: str) -> None:
        self.profile = profile
        self._key, self._url = key, url or MISTRAL_URL

    def __repr__(self) -> str:
        return f"MistralProvider({self.profile.id!r})"

    def stream(self, call: Call, trace: Trace) -> AsyncGenerator[StreamEvent, None]:
        async def chunks() -> AsyncIterator[CompletionEvent]:
            return await self._client.chat.stream_async(**self._request(call))

        async def opening() -> Upstream:
            require_key(self._key, "MISTRAL_API_KEY")
            return Events(chunks)

        return exchange(opening, MistralReader(), sdk_error=mistral_errors, secret=self._key, rules=MISTRAL_RULES)

    async def aclose(self) -> None:
        if "_http" in self.__dict__:
            await self._http.aclose()

    @cached_property
    def _http(self) -> Any:
        return one_timeout_client()

    @cached_property
    def _client(self) -> Mistral:
        return mistral_client(self._key, self._url, self._http)

    def _request(self, call: Call) -> JSON:
        profile, options = self.profile, call.options
        names = tool_names(call.messages)
        request: JSON = {
            "model": profile.model,
            "messages": [mistral_message(each, names) for each in call.messages],
            "max_tokens": min(options.max_tokens, profile.max_output),
            "timeout_ms": int(options.total_timeout * 1000),
        }
        if profile.temperature:
            request["temperature"] = options.temperature
        if profile.reasoning:
            request["reasoning_effort"] = profile.reasoning
        if options.tools:
            request["tools"] = [{"type": "function", "function": function(tool)} for tool in options.tools]
            request["tool_choice"] = CHOICES[options.tool_choice]
        if options.output is not None and profile.json_schema:
            request["response_format"] = {"type": "json_schema", "json_schema": json_schema(options.output)}
        if options.safety is Safety.STRICT:
            request["safe_prompt"] = True
        return request


def mistral_client(key: str, url: str, http: Any) -> Mistral:
    """The SDK's client. The address is always given."""
    with extra("mistral"):
        from mistralai.client import Mistral
    return Mistral(api_key=key, server_url=url, async_client=http)


def mistral_errors() -> tuple[type[Exception], ...]:
    """The roots of the SDK's errors, imported when they are first needed."""
    with extra("mistral"):
        from mistralai.client.errors import MistralError, NoResponseError
        from mistralai.extra.exceptions import MistralClientException
    return (MistralError, NoResponseError, MistralClientException)


def mistral_message(message: Message, names: Mapping[str, str]) -> JSON:
    """One message as the API takes it."""
    if message.role == "tool":
        name = names.get(message.tool_call_id, "")
        call_id = short_id(message.tool_call_id)
        return {"role": "tool", "tool_call_id": call_id, "name": name, "content": message.content}
    content: str | list[JSON] = message.content
    if message.images:
        content = [{"type": "image_url", "image_url": data_url(image)} for image in message.images]
        content += [{"type": "text", "text": message.content}] if message.content else []
    if not message.tool_calls:
        return {"role": message.role, "content": content}
    calls = [
        {"id": short_id(each.id), "function": {"name": each.name, "arguments": each.arguments or "{}"}}
        for each in message.tool_calls
    ]
    return {"role": message.role, "content": content, "tool_calls": calls}


def short_id(call_id: str) -> str:
    """The API takes ids of nine letters and digits alone; a call that another model made has others."""
    return call_id if CALL_ID.fullmatch(call_id) else hashlib.sha256(call_id.encode()).hexdigest()[:9]


class MistralReader:
    """Reads the chunks of one completion. The finish reason is the terminator; usage comes with it."""

    def __init__(self) -> None:
        self.finished: Finished | None = None
        self.usage: Usage | None = None

    @property
    def complete(self) -> bool:
        return self.finished is not None and self.usage is not None

    def read(self, event: CompletionEvent) -> Iterator[StreamEvent]:
        chunk = event.data
        if chunk.usage is not None:
            self.usage = mistral_usage(chunk.usage)
        for choice in chunk.choices:
            if choice.index:
                continue  # one answer was asked for
            yield from self._delta(choice.delta)
            if choice.finish_reason:
                self._end(str(choice.finish_reason), chunk.model)

    def _delta(self, delta: DeltaMessage) -> Iterator[StreamEvent]:
        if isinstance(delta.content, str):
            yield from [TextDelta(delta.content)] if delta.content else []
        else:  # parts: text, and thoughts that are not for the reader
            yield from (TextDelta(str(part.text)) for part in delta.content or () if part.type == "text")
        for call in delta.tool_calls or ():
            written = call.function.arguments
            arguments = written if isinstance(written, str) else json.dumps(written, ensure_ascii=False)
            call_id = call.id if call.id and call.id != "null" else ""
            yield ToolCallDelta(call.index or 0, call_id, call.function.name, arguments)

    def _end(self, reason: str, model: str) -> None:
        if reason not in REASONS:
            raise StreamBroken(f"the provider ended for a reason that we do not know: {reason[:40]!r}")
        self.finished = Finished(REASONS[reason], model)


def mistral_usage(usage: UsageInfo) -> Usage | None:
    """None where there is none (B3)."""
    if not usage.prompt_tokens:
        return None
    details = usage.additional_properties.get("prompt_tokens_details") or {}
    return Usage(
        input_tokens=usage.prompt_tokens,
        output_tokens=usage.completion_tokens or 0,
        cached_tokens=details.get("cached_tokens") or 0,
    )


def _status(error: Any, secret: str) -> ProviderError:
    """The body is JSON or not; what it calls its fields has changed over the years."""
    try:
        body = json.loads(error.body)
    except (ValueError, RecursionError):
        body = {}
    body = body if isinstance(body, dict) else {}
    said = body.get("message") or body.get("detail") or error.message
    codes = frozenset(str(body[key]) for key in ("type", "code") if isinstance(body.get(key), str))
    status = None if error.status_code == 200 else error.status_code
    wait = retry_after(error.headers)
    return decided(status, codes, said if isinstance(said, str) else json.dumps(said), secret, wait=wait)


MISTRAL_RULES = {
    **RULES,
    "MistralError": _status,
    "ResponseValidationError": RULES["APIResponseValidationError"],
    "NoResponseError": broken,
    "MistralClientException": broken,
}
