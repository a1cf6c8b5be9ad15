"""The providers under one contract: how each is made, and how its server says the same things."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from gateway.base import Provider
from gateway.profiles import completion_profile
from gateway.providers.anthropic import AnthropicProvider
from gateway.providers.aws import AwsAccess
from gateway.providers.azure import azure_provider
from gateway.providers.bedrock import BedrockProvider
from gateway.providers.compatible import CompatibleProvider
from gateway.providers.gemini import GeminiProvider
from gateway.providers.mistral import MistralProvider
from gateway.providers.openai import openai_provider
from gateway.types import Call, Caller, Message, Options, Usage
from tests.servers import anthropic_server, bedrock_server, gemini_server, mistral_server, openai_server
from tests.servers.wire import sse

KEY = "sk-test-0123456789abcdefghij"
USAGE = Usage(input_tokens=42, output_tokens=9, cached_tokens=16, reasoning_tokens=3)
TOOL = ("look_up", ('{"order":', "7}"))


@dataclass(frozen=True)
class Case:
    """`say` is the stream that ends with a reason, named as in `FinishReason`; `silent` the one
    without usage; `broken` the error event inside a stream; `error` the body of an error; `ending`
    the bytes that are the terminator; `usage` what its stream reports; `lacks` the reasons that it
    calls by another name; `unended` that its SDK reads the last line of a body without its end;
    `hangs_up` that its SDK gives the connection up at the end; `shows` what its request shows
    of the credentials."""

    name: str
    make: Callable[[str], Provider]
    say: Callable[[Sequence[str], str], list[bytes]]
    silent: Callable[[Sequence[str]], list[bytes]]
    broken: bytes
    error: Callable[[int, str, str], dict[str, Any]]
    ending: bytes
    path: str
    usage: Usage = USAGE
    lacks: Mapping[str, str] = field(default_factory=dict)
    unended: bool = False
    binary: bool = False
    hangs_up: bool = False
    shows: str = KEY

    def __str__(self) -> str:
        return self.name

    def whole(self, body: bytes) -> int:
        """How many bytes of the body an SDK has to have read before the answer may count as whole."""
        start = body.index(self.ending)
        if self.binary:
            return start + len(self.ending)
        end = body.index(b"\n", start)
        return len(body[:end].rstrip(b"\r")) if self.unended else end + 1


def call(text: str = "How?", **options: Any) -> Call:
    messages = (Message("system", "Be brief."), Message("user", text))
    return Call(Caller(1), messages, Options(max_tokens=100, **options), question=text)


def _chat(texts: Sequence[str], reason: str) -> list[bytes]:
    said = {"stop": "stop", "length": "length", "tool_call": "tool_calls", "content_filter": "content_filter"}
    tool = TOOL if reason == "tool_call" else None
    return openai_server.chat(texts, reason=said.get(reason, "stop"), refusal=reason == "refusal", tool=tool)


def _responses(texts: Sequence[str], reason: str) -> list[bytes]:
    why = {"length": "max_output_tokens", "content_filter": "content_filter"}.get(reason)
    tool = TOOL if reason == "tool_call" else None
    status = "incomplete" if why else "completed"
    return openai_server.responses(texts, status=status, why=why, refusal=reason == "refusal", tool=tool)


def _message(texts: Sequence[str], reason: str) -> list[bytes]:
    said = {"stop": "end_turn", "length": "max_tokens", "tool_call": "tool_use", "refusal": "refusal"}
    return anthropic_server.message(texts, reason=said[reason], tool=TOOL if reason == "tool_call" else None)


def _gemini(texts: Sequence[str], reason: str) -> list[bytes]:
    said = {"stop": "STOP", "length": "MAX_TOKENS", "tool_call": "STOP", "content_filter": "SAFETY"}
    tool = (TOOL[0], "".join(TOOL[1])) if reason == "tool_call" else None
    return gemini_server.content(texts, reason=said[reason], tool=tool)


def _converse(texts: Sequence[str], reason: str) -> list[bytes]:
    said = {
        "stop": "end_turn",
        "length": "max_tokens",
        "tool_call": "tool_use",
        "content_filter": "guardrail_intervened",
    }
    return bedrock_server.converse(texts, reason=said[reason], tool=TOOL if reason == "tool_call" else None)


def _mistral(texts: Sequence[str], reason: str) -> list[bytes]:
    said = {"stop": "stop", "length": "model_length", "tool_call": "tool_calls"}
    tool = (TOOL[0], "".join(TOOL[1])) if reason == "tool_call" else None
    return mistral_server.completion(texts, reason=said[reason], tool=tool)


def _bedrock_error(status: int, code: str, message: str) -> dict[str, Any]:
    """Too long a prompt is a validation error like others: the words tell it."""
    kinds = {429: "ThrottlingException", 401: "UnrecognizedClientException", 403: "AccessDeniedException"}
    kinds |= {
        400: "ValidationException",
        422: "ValidationException",
        404: "ResourceNotFoundException",
        500: "InternalServerException",
    }
    said = "Input is too long for requested model: " if code == "context_length_exceeded" else ""
    return bedrock_server.error(f"{said}{message}", code=kinds.get(status, "ServiceUnavailableException"))


def _openai_error(status: int, code: str, message: str) -> dict[str, Any]:
    return openai_server.error(message, kind=code, code=code)


def _gemini_error(status: int, code: str, message: str) -> dict[str, Any]:
    """Its errors have no code of their own for these: the words and the details tell them apart."""
    said = {"context_length_exceeded": "The input token count exceeds the maximum number of tokens allowed: "}
    quota = "GenerateRequestsPerDayPerProjectPerModel-FreeTier" if code == "insufficient_quota" else ""
    return gemini_server.error(f"{said.get(code, '')}{message}", status=status, quota=quota)


def _anthropic_error(status: int, code: str, message: str) -> dict[str, Any]:
    return anthropic_server.error(message, kind=code)


OWN = dataclasses.replace(completion_profile("compatible"), model="qwen")
NOVA = completion_profile("bedrock-nova-2-lite")
SMALL = completion_profile("mistral-small-4")
FLASH = completion_profile("gemini-3.5-flash-lite")
LUNA, HAIKU = completion_profile("gpt-6-luna"), completion_profile("claude-haiku-5-5")
CHAT = Case(
    "openai-chat",
    lambda url: openai_provider(LUNA, key=KEY, url=f"{url}/v1", api="chat"),
    _chat,
    lambda texts: openai_server.chat(texts, usage=None),
    sse(openai_server.error("The server had an error", kind="server_error")),
    _openai_error,
    b'"finish_reason":"stop"',
    "/v1/chat/completions",
)
RESPONSES = Case(
    "openai-responses",
    lambda url: openai_provider(LUNA, key=KEY, url=f"{url}/v1", api="responses"),
    _responses,
    lambda texts: openai_server.responses(texts, usage=None),
    sse({"type": "error", "code": "server_error", "message": "oops", "param": None, "sequence_number": 3}, "error"),
    _openai_error,
    b"event: response.completed",
    "/v1/responses",
)
ANTHROPIC = Case(
    "anthropic",
    lambda url: AnthropicProvider(HAIKU, key=KEY, url=url),
    _message,
    lambda texts: anthropic_server.message(texts, usage=False),
    sse(anthropic_server.error("Internal server error", kind="api_error"), "error"),
    _anthropic_error,
    b"event: message_stop",
    "/v1/messages",
    usage=dataclasses.replace(USAGE, cache_write_tokens=6),
    lacks={"content_filter": "refusal"},  # its filters report themselves as a refusal
)
COMPATIBLE = Case(
    "compatible",
    lambda url: CompatibleProvider(OWN, key="", url=f"{url}/v1"),
    _chat,
    lambda texts: openai_server.chat(texts, usage=None, done=False),
    sse({"error": {"code": 500, "message": "slot failed", "type": "server_error"}}),
    _openai_error,
    b'"finish_reason":"stop"',
    "/v1/chat/completions",
    shows="",
)
GEMINI = Case(
    "gemini",
    lambda url: GeminiProvider(FLASH, key=KEY, url=url),
    _gemini,
    lambda texts: gemini_server.content(texts, usage=None),
    gemini_server.event(gemini_server.error("The model is overloaded.", status=503)),
    _gemini_error,
    b'"finishReason":"STOP"',
    f"/v1beta/models/{FLASH.model}:streamGenerateContent?alt=sse",
    lacks={"refusal": "content_filter"},
    unended=True,
)
BEDROCK = Case(
    "bedrock",
    lambda url: BedrockProvider(NOVA, access=AwsAccess("eu-central-1", url, "AKIATEST", KEY)),
    _converse,
    lambda texts: bedrock_server.converse(texts, usage=False),
    bedrock_server.exception("internalServerException", "try again"),
    _bedrock_error,
    bedrock_server.event("messageStop", {"stopReason": "end_turn"}),
    f"/model/{quote(NOVA.model, safe='')}/converse-stream",
    # Converse counts no reasoning apart.
    usage=dataclasses.replace(USAGE, reasoning_tokens=0, cache_write_tokens=6),
    lacks={"refusal": "content_filter"},
    binary=True,
    shows="AKIATEST",
)
MISTRAL = Case(
    "mistral",
    lambda url: MistralProvider(SMALL, key=KEY, url=url),
    _mistral,
    lambda texts: mistral_server.completion(texts, usage=None),
    sse(mistral_server.error("Service unavailable.", kind="service_unavailable")),
    lambda status, code, message: mistral_server.error(message, kind=code),
    b'"finish_reason":"stop"',
    "/v1/chat/completions",
    usage=dataclasses.replace(USAGE, reasoning_tokens=0),  # it counts no reasoning apart
    lacks={"refusal": "stop", "content_filter": "stop"},  # it says neither
    unended=True,
    hangs_up=True,
)
AZURE = dataclasses.replace(
    RESPONSES,
    name="azure",
    make=lambda url: azure_provider(dataclasses.replace(LUNA, provider="azure", model="my-luna"), url=url, key=KEY),
    path="/openai/v1/responses",
)
WIRE = [CHAT, RESPONSES, ANTHROPIC, COMPATIBLE, GEMINI, BEDROCK, MISTRAL, AZURE]
