"""OpenTelemetry spans of a call, drawn from its trace when it is over:

    gateway answer              from the call to its record; tenant, cost, policy, the record's id
    └─ chat gpt-6-luna          one model with all its tries, by the GenAI semantic conventions
       └─ try                   each, where there was more than one

The attributes `gen_ai.…` are those of the conventions' development version 1.41. Where nobody configured
spans (`config/tracing.py`) this costs microseconds.

Does not catch: what a provider's HTTP client would report by itself; drawn afterwards, a span is not current
while the request runs.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from itertools import groupby
from typing import TYPE_CHECKING, Any

from django.conf import settings
from opentelemetry import trace as otel
from opentelemetry.context import Context
from opentelemetry.trace import SpanKind, Status, StatusCode

from gateway.telemetry import request_ids
from gateway.types import Classification, FinishReason, Leg, Task

if TYPE_CHECKING:
    from gateway.telemetry.ended import Ended

PROVIDERS = {  # as the conventions call them
    "azure": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "gemini": "gcp.gemini",
    "mistral": "mistral_ai",
}
Clock = Callable[[float], int]
tracer = otel.get_tracer("citedesk.gateway")


def draw(ended: Ended) -> None:
    trace, marks = ended.trace, ended.trace.marks
    clock = _clock()
    begun = marks.get("start", marks["closing"])
    call = tracer.start_span(f"gateway {ended.task}", start_time=clock(begun))
    if call.is_recording():
        call.set_attributes(_of_call(ended))
        _status(call, trace.error_code)
        within = otel.set_span_in_context(call)
        legs = sorted(ended.trace.legs or _of_embedding(ended), key=lambda leg: leg.model)
        for _model, tries in groupby(legs, key=lambda leg: leg.model):
            _model_span(ended, sorted(tries, key=lambda leg: leg.begun), within, clock)
    call.end(clock(marks["closing"]))


def _of_call(ended: Ended) -> dict[str, Any]:
    trace = ended.trace
    return {
        "citedesk.tenant": ended.tenant,
        "citedesk.task": ended.task,
        "citedesk.audit_id": ended.call_id,
        "citedesk.request_id": request_ids.current(),
        "citedesk.policy_version": trace.policy_version,
        "citedesk.cost_usd": float(trace.cost),
        "citedesk.outcome": ended.outcome,
        "citedesk.degraded": trace.degraded.value,
        "citedesk.verdict": trace.verdict.name,
        "gen_ai.conversation.id": ended.frozen["caller"]["conversation_id"],
    }


def _model_span(ended: Ended, tries: list[Leg], within: Context, clock: Clock) -> None:
    last = tries[-1]
    operation = "embeddings" if ended.task == Task.EMBED else "chat"
    span = tracer.start_span(
        f"{operation} {last.model}", within, SpanKind.CLIENT, start_time=clock(min(leg.begun for leg in tries))
    )
    span.set_attributes(
        {
            "gen_ai.operation.name": operation,
            "gen_ai.provider.name": PROVIDERS.get(last.provider, last.provider),
            "gen_ai.request.model": last.model,
            **_of_answer(last, tries[0].begun),
            **(_of_request(ended) if operation == "chat" else {}),
        }
    )
    if settings.TRACES_PROMPTS and operation == "chat" and last.model == ended.trace.model:
        span.set_attributes(_said(ended))
    _status(span, last.error)
    if len(tries) > 1:
        inside = otel.set_span_in_context(span)
        for leg in tries:
            each = tracer.start_span("try", inside, start_time=clock(leg.begun))
            _status(each, leg.error)
            each.end(clock(leg.ended))
    span.end(clock(max(leg.ended for leg in tries)))


def _of_request(ended: Ended) -> dict[str, Any]:
    options = ended.frozen["options"]
    return {
        "gen_ai.request.max_tokens": options["max_tokens"],
        "gen_ai.request.temperature": options["temperature"],
        "gen_ai.request.stream": True,
        "gen_ai.output.type": "json" if options["output"] else "text",
    }


def _of_answer(leg: Leg, begun: float) -> dict[str, Any]:
    usage = leg.usage
    said: dict[str, Any] = {
        "gen_ai.usage.input_tokens": usage.input_tokens,
        "gen_ai.usage.output_tokens": usage.output_tokens,
        "gen_ai.usage.cache_read.input_tokens": usage.cached_tokens,
        "gen_ai.usage.cache_creation.input_tokens": usage.cache_write_tokens,
        "gen_ai.usage.reasoning.output_tokens": usage.reasoning_tokens,
    }
    if leg.spoke is not None:
        said["gen_ai.response.time_to_first_chunk"] = round(leg.spoke - begun, 4)
    if leg.finished is not None:
        said["gen_ai.response.model"] = leg.finished.model_version or leg.model
        said["gen_ai.response.finish_reasons"] = [leg.finished.reason.value]
    return said


def _said(ended: Ended) -> dict[str, str]:
    """What was said, for an operator who asked for it; never of a call that is classified as personal."""
    if ended.frozen["caller"]["classification"] == Classification.PERSONAL:
        return {}
    asked = [_turn(each["role"], each["content"]) for each in ended.frozen["messages"]]
    answered = {**_turn("assistant", ended.trace.text), "finish_reason": ended.outcome}
    return {"gen_ai.input.messages": json.dumps(asked), "gen_ai.output.messages": json.dumps([answered])}


def _turn(role: str, text: str) -> dict[str, Any]:
    return {"role": role, "parts": [{"type": "text", "content": text}]}


def _of_embedding(ended: Ended) -> list[Leg]:
    """Embeddings come whole: their time is that between the money and the end."""
    trace, marks = ended.trace, ended.trace.marks
    if ended.task != Task.EMBED or "reserved" not in marks or "finished" not in marks:
        return []
    failed = trace.error_code or ("" if trace.reason == FinishReason.STOP else ended.outcome)
    return [Leg(trace.provider, trace.model, marks["reserved"], None, marks["finished"], failed, trace.usage)]


def _status(span: otel.Span, error: str) -> None:
    if error:
        span.set_status(Status(StatusCode.ERROR))
        span.set_attribute("error.type", error)


def _clock() -> Clock:
    """Turns marks of `Trace.mark` into nanoseconds since 1970, the same mark always into the same."""
    epoch = time.time_ns() - time.perf_counter_ns()
    return lambda mark: epoch + int(mark * 1e9)
