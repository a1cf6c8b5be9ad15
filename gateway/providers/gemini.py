"""Google's Gemini API: `generateContent`, streamed.

The SDK would by itself call tools, resume a stream that broke and ask again: all of it is switched
off, because the gateway decides on that and pays for it.
"""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from gateway.abilities import Safety, ToolChoice
from gateway.errors import ContentRefused, ProviderError, QuotaExhausted, RateLimited, StreamBroken
from gateway.profiles import ModelProfile
from gateway.providers.errors import RULES, broken, decided, reported, safe
from gateway.providers.exchange import Events, Upstream, exchange, extra, one_timeout_client, require_key
from gateway.providers.turns import arguments, system_messages, tool_names, turns
from gateway.providers.waiting import retry_after
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
    from google.genai import Client
    from google.genai.types import GenerateContentResponse, GenerateContentResponseUsageMetadata, Part

GEMINI_URL = "https://generativelanguage.googleapis.com"
VERSION = "v1beta"
REASONS = {
    "STOP": FinishReason.STOP,
    "MAX_TOKENS": FinishReason.LENGTH,
    "SAFETY": FinishReason.CONTENT_FILTER,
    "RECITATION": FinishReason.CONTENT_FILTER,
    "LANGUAGE": FinishReason.CONTENT_FILTER,
    "BLOCKLIST": FinishReason.CONTENT_FILTER,
    "PROHIBITED_CONTENT": FinishReason.CONTENT_FILTER,
    "SPII": FinishReason.CONTENT_FILTER,
    "MODEL_ARMOR": FinishReason.CONTENT_FILTER,
}
CHOICES = {ToolChoice.AUTO: "AUTO", ToolChoice.REQUIRED: "ANY", ToolChoice.NONE: "NONE"}
THRESHOLDS = {Safety.STRICT: "BLOCK_LOW_AND_ABOVE", Safety.RELAXED: "BLOCK_ONLY_HIGH"}
HARMS = ("HARASSMENT", "HATE_SPEECH", "SEXUALLY_EXPLICIT", "DANGEROUS_CONTENT")


class GeminiProvider:
    """Gemini by its own API. Retries are off in the SDK: they are `gateway.retry`'s."""

    name = "gemini"

    def __init__(self, profile: ModelProfile, *, key: str, url: str) -> None:
        self.profile = profile
        self._key, self._url = key, url or GEMINI_URL

    def __repr__(self) -> str:
        return f"GeminiProvider({self.profile.id!r})"

    def stream(self, call: Call, trace: Trace) -> AsyncGenerator[StreamEvent, None]:
        async def chunks() -> AsyncIterator[GenerateContentResponse]:
            config = self._config(call.options, system_messages(call.messages))
            return await self._client.aio.models.generate_content_stream(
                model=self.profile.model,
                contents=contents(call.messages),  # type: ignore[arg-type]
                config=config,  # type: ignore[arg-type]
            )

        async def opening() -> Upstream:
            require_key(self._key, "GEMINI_API_KEY")
            return Events(chunks)

        return exchange(opening, GeminiReader(), sdk_error=gemini_error, secret=self._key, rules=GEMINI_RULES)

    async def aclose(self) -> None:
        if "_client" in self.__dict__:
            await self._http.aclose()

    @cached_property
    def _http(self) -> Any:
        return one_timeout_client()

    @cached_property
    def _client(self) -> Client:
        return gemini_client(self._key, self._url, self._http)

    def _config(self, options: Options, system: list[Message]) -> JSON:
        profile = self.profile
        config: JSON = {
            "max_output_tokens": min(options.max_tokens, profile.max_output),
            "http_options": {"timeout": int(options.total_timeout * 1000)},
            "automatic_function_calling": {"disable": True},
            "automatic_continuation": False,
        }
        if system:
            config["system_instruction"] = "\n\n".join(message.content for message in system)
        if profile.temperature:
            config["temperature"] = options.temperature
        if profile.reasoning:
            off = profile.reasoning == "none"
            config["thinking_config"] = {"thinking_budget": 0} if off else {"thinking_level": profile.reasoning}
        if options.tools:
            declared = [
                {"name": tool.name, "description": tool.description, "parameters_json_schema": tool.parameters}
                for tool in options.tools
            ]
            config["tools"] = [{"function_declarations": declared}]
            config["tool_config"] = {"function_calling_config": {"mode": CHOICES[options.tool_choice]}}
        if options.output is not None and profile.json_schema:
            config["response_mime_type"] = "application/json"
            config["response_json_schema"] = options.output.schema
        if options.safety in THRESHOLDS:
            threshold = THRESHOLDS[options.safety]
            config["safety_settings"] = [
                {"category": f"HARM_CATEGORY_{harm}", "threshold": threshold} for harm in HARMS
            ]
        return config


def gemini_client(key: str, url: str, http: Any) -> Client:
    """The SDK's client. Address, version and kind are always given, or it would take them from the
    environment."""
    with extra("gemini"):
        from google.genai import Client
        from google.genai.types import HttpOptions
    options = HttpOptions(base_url=url, api_version=VERSION, httpx_async_client=http)
    return Client(vertexai=False, api_key=key, http_options=options)


def gemini_error() -> type[Exception]:
    """The root of the SDK's errors, imported when it is first needed."""
    with extra("gemini"):
        from google.genai.errors import APIError
    return APIError


def contents(messages: tuple[Message, ...]) -> list[JSON]:
    """The turns of the conversation. A result says which tool it is of: names stand for ids there."""
    names = tool_names(messages)
    return [
        {
            "role": "model" if side == "assistant" else "user",
            "parts": [part for message in turn for part in _parts(message, names)],
        }
        for side, turn in turns(messages)
    ]


def _parts(message: Message, names: Mapping[str, str]) -> list[JSON]:
    if message.role == "tool":
        name = names.get(message.tool_call_id, "")
        result = {"id": message.tool_call_id, "name": name, "response": {"result": message.content}}
        return [{"function_response": result}]
    images = [
        {"inline_data": {"mime_type": image.media_type, "data": base64.b64decode(image.data)}}
        for image in message.images
    ]
    text = [{"text": message.content}] if message.content.strip() else []
    calls: list[JSON] = []
    for each in message.tool_calls:
        asked = {"id": each.id, "name": each.name, "args": arguments(each)}
        seal = {"thought_signature": base64.b64decode(each.signature)} if each.signature else {}
        calls.append({"function_call": asked, **seal})
    return [*images, *text, *calls]


class GeminiReader:
    """Reads the chunks of one answer. The finish reason is the terminator; usage comes with it."""

    def __init__(self) -> None:
        self.finished: Finished | None = None
        self.usage: Usage | None = None
        self._calls = 0

    @property
    def complete(self) -> bool:
        return self.finished is not None

    def read(self, event: GenerateContentResponse) -> Iterator[StreamEvent]:
        if event.prompt_feedback is not None and event.prompt_feedback.block_reason is not None:
            raise ContentRefused(f"the prompt was blocked: {event.prompt_feedback.block_reason.value}")
        if event.usage_metadata is not None:
            self.usage = gemini_usage(event.usage_metadata)
        for candidate in event.candidates or ():
            if candidate.index:
                continue  # one answer was asked for
            for part in (candidate.content.parts or ()) if candidate.content else ():
                yield from self._part(part)
            if candidate.finish_reason is not None:
                self._end(candidate.finish_reason.value, event.model_version or "")

    def _part(self, part: Part) -> Iterator[StreamEvent]:
        if part.function_call is not None:
            asked = part.function_call
            seal = base64.b64encode(part.thought_signature).decode() if part.thought_signature else ""
            # The API may give no id; results are matched by one here.
            call_id = asked.id or f"call_{uuid.uuid4().hex}"
            written = json.dumps(asked.args or {}, ensure_ascii=False, separators=(",", ":"))
            yield ToolCallDelta(self._calls, call_id, asked.name or "", written, seal)
            self._calls += 1
        elif part.text and not part.thought:
            yield TextDelta(str(part.text))

    def _end(self, reason: str, model: str) -> None:
        if reason not in REASONS:
            raise StreamBroken(f"the provider ended for a reason that we do not know: {reason[:40]!r}")
        said = REASONS[reason]
        self.finished = Finished(FinishReason.TOOL_CALL if self._calls and said is FinishReason.STOP else said, model)


def gemini_usage(usage: GenerateContentResponseUsageMetadata) -> Usage | None:
    """None where there is none (B3). The API counts thoughts beside the answer's tokens."""
    read = (usage.prompt_token_count or 0) + (usage.tool_use_prompt_token_count or 0)
    if not read:
        return None
    thoughts = usage.thoughts_token_count or 0
    return Usage(
        input_tokens=read,
        output_tokens=(usage.candidates_token_count or 0) + thoughts,
        cached_tokens=usage.cached_content_token_count or 0,
        reasoning_tokens=thoughts,
    )


def _status(error: Any, secret: str) -> ProviderError:
    """The API says the same sentence of a limit by the minute and of an empty account: which of
    them it is stands in the details, and so does the wait."""
    inner = error.details.get("error", error.details) if isinstance(error.details, dict) else {}
    details = (
        [each for each in (inner.get("details") or ()) if isinstance(each, dict)] if isinstance(inner, dict) else []
    )
    message = error.message if isinstance(error.message, str) else ""
    code = error.status.lower() if isinstance(error.status, str) else ""
    response = error.response
    status = getattr(response, "status_code", None)  # none for an error inside a stream
    if code == "resource_exhausted":
        detail = safe(f"{status or ''} {code}: {message}".strip(), secret)
        quotas = " ".join(str(each.get("violations", "")) for each in details)
        if "PerDay" in quotas:
            return QuotaExhausted(detail, status=status)
        return RateLimited(detail, retry_after=_wait(details, response), status=status)
    codes = frozenset({code, *(str(each.get("reason", "")).lower() for each in details)})
    if status is None:
        return reported(code, message, secret)
    return decided(status, codes, message, secret, wait=_wait(details, response))


def _wait(details: list[JSON], response: Any) -> float | None:
    for each in details:
        delay = str(each.get("retryDelay", ""))
        if delay.endswith("s"):
            return retry_after({"retry-after": delay[:-1]})
    return retry_after(response.headers) if response is not None else None


GEMINI_RULES = {**RULES, "APIError": _status, "ContinuationInterruptedError": broken}
