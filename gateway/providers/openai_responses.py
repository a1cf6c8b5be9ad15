"""OpenAI's Responses API. Nothing is stored there: `store` is false and the history is ours."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator

from gateway.errors import StreamBroken
from gateway.providers.errors import reported
from gateway.providers.exchange import Upstream, exchange
from gateway.providers.openai_chat import (
    OpenAIChatProvider,
    data_url,
    function,
    json_schema,
    openai_error,
    openai_usage,
)
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

LEAST_OUTPUT = 16  # the API refuses a smaller limit
INCOMPLETE = {"max_output_tokens": FinishReason.LENGTH, "content_filter": FinishReason.CONTENT_FILTER}


class OpenAIResponsesProvider(OpenAIChatProvider):
    """OpenAI by the Responses API: the same client and key, another request and another reader."""

    def stream(self, call: Call, trace: Trace) -> AsyncGenerator[StreamEvent, None]:
        async def opening() -> Upstream:
            self._check()
            headers = self._front.request_headers(call)
            stream = await self._open("/responses", self._request(call), headers, call)
            self._front.note(stream.response.headers, trace)
            return stream

        return exchange(opening, ResponsesReader(self._key), sdk_error=openai_error, secret=self._key)

    def _request(self, call: Call) -> JSON:
        profile, options = self.profile, call.options
        request: JSON = {
            "model": profile.model,
            "instructions": "\n\n".join(each.content for each in call.messages if each.role == "system"),
            "input": [item for each in call.messages if each.role != "system" for item in input_items(each)],
            "max_output_tokens": max(LEAST_OUTPUT, min(options.max_tokens, profile.max_output)),
            "stream": True,
            "store": False,
        }
        if profile.temperature:
            request["temperature"] = options.temperature
        if profile.reasoning:
            request["reasoning"] = {"effort": profile.reasoning}
        if options.tools:
            request["tools"] = [{"type": "function", "strict": False, **function(tool)} for tool in options.tools]
            request["tool_choice"] = options.tool_choice.value
        if options.output is not None and profile.json_schema:
            request["text"] = {"format": {"type": "json_schema", **json_schema(options.output)}}
        return request


def input_items(message: Message) -> list[JSON]:
    """One message as the API takes it: calls to tools and their results are items of their own."""
    if message.role == "tool":
        return [{"type": "function_call_output", "call_id": message.tool_call_id, "output": message.content}]
    content: str | list[JSON] = message.content
    if message.images:
        content = [{"type": "input_image", "image_url": data_url(image)} for image in message.images]
        content += [{"type": "input_text", "text": message.content}] if message.content else []
    calls: list[JSON] = [
        {"type": "function_call", "call_id": each.id, "name": each.name, "arguments": each.arguments}
        for each in message.tool_calls
    ]
    return [*([{"role": message.role, "content": content}] if content or not calls else []), *calls]


class ResponsesReader:
    """Reads the events of one response. `response.completed` and `response.incomplete` are its
    terminators; `response.failed` and `error` are errors inside a stream that began well (V3)."""

    def __init__(self, secret: str = "") -> None:
        self.finished: Finished | None = None
        self.usage: Usage | None = None
        self._secret = secret
        self._refused = False
        self._calls: dict[int, int] = {}

    @property
    def complete(self) -> bool:
        return self.finished is not None

    def read(self, event: JSON) -> Iterator[StreamEvent]:
        match event["type"]:
            case "response.output_text.delta":
                yield TextDelta(str(event["delta"]))
            case "response.refusal.delta":
                self._refused = True
                yield TextDelta(str(event["delta"]))
            case "response.output_item.added":
                yield from self._item(event["output_index"], event["item"])
            case "response.function_call_arguments.delta":
                yield ToolCallDelta(self._call(event["output_index"]), "", "", event["delta"])
            case "response.completed" | "response.incomplete":
                self._end(event["response"])
            case "response.failed":
                error = event["response"].get("error") or {}
                raise reported(error.get("code"), error.get("message"), self._secret)
            case "error":
                raise reported(event.get("code"), event.get("message"), self._secret)

    def _item(self, index: int, item: JSON) -> Iterator[StreamEvent]:
        if item["type"] == "function_call":
            name, arguments = item.get("name") or "", item.get("arguments") or ""
            yield ToolCallDelta(self._call(index), item.get("call_id") or "", name, arguments)

    def _call(self, output_index: int) -> int:
        """Tool calls are counted among themselves; messages stand between them in the output."""
        return self._calls.setdefault(output_index, len(self._calls))

    def _end(self, response: JSON) -> None:
        self.usage = responses_usage(response.get("usage"))
        reason, status = FinishReason.STOP, response.get("status")
        if status == "incomplete":
            why = (response.get("incomplete_details") or {}).get("reason")
            if why not in INCOMPLETE:
                raise StreamBroken(f"the response is incomplete for a reason that we do not know: {why!r}")
            reason = INCOMPLETE[why]
        elif status != "completed":
            raise StreamBroken(f"the response ended in the state {status!r}")
        elif self._refused:
            reason = FinishReason.REFUSAL
        elif self._calls:
            reason = FinishReason.TOOL_CALL
        self.finished = Finished(reason, response.get("model") or "")


def responses_usage(usage: JSON | None) -> Usage | None:
    """None where there is none (B3)."""
    return openai_usage(usage or {}, "input", "output")
