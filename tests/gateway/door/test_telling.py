"""What a call through the door leaves in metrics, spans and the log."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import httpx2
import openai
import pytest
from django.conf import settings
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families

from accounts.tenancy import in_database, tenant_scope
from gateway.models import DoorPolicy
from gateway.telemetry import metrics
from tests.gateway.door.conftest import HAIKU, LUNA, Door
from tests.servers import anthropic_server, openai_server
from tests.servers.wire import Request, Script, failure

SAID = Script(openai_server.responses(["Thirty ", "days."]))
QUESTION = "Is the canary in the cage?"
ASKED: Any = [{"role": "user", "content": QUESTION}]
WHO = {"task": "answer", "model": LUNA, "tenant": "acme"}


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


@pytest.fixture(scope="module")
def exporter() -> InMemorySpanExporter:
    """OpenTelemetry lets a process choose its provider once."""
    kept = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    trace.set_tracer_provider(provider)
    return kept


@pytest.fixture
def spans(exporter: InMemorySpanExporter) -> Iterator[InMemorySpanExporter]:
    exporter.clear()
    yield exporter
    exporter.clear()


def tree(spans: InMemorySpanExporter) -> list[str]:
    """Each span's name, indented by its depth, in the order in which they began."""
    finished = spans.get_finished_spans()
    by_id = {span.context.span_id: span for span in finished if span.context}

    def depth(span: ReadableSpan) -> int:
        parent = by_id.get(span.parent.span_id) if span.parent else None
        return 0 if parent is None else 1 + depth(parent)

    ordered = sorted(finished, key=lambda span: (span.start_time or 0, depth(span)))
    return ["  " * depth(span) + span.name for span in ordered]


def named(spans: InMemorySpanExporter, name: str) -> ReadableSpan:
    return next(span for span in spans.get_finished_spans() if span.name == name)


async def ask(door: Door, model: str = LUNA) -> Any:
    return await door.openai.chat.completions.create(model=model, messages=ASKED)


async def test_a_call_moves_the_metrics(door: Door, behind: Any) -> None:
    await behind(SAID)
    names = ["citedesk_call_seconds_count", "citedesk_first_token_seconds_count", "citedesk_cost_usd_total"]
    before = [counted(name, **WHO) for name in names]
    calls, cached = counted("citedesk_calls_total", **WHO, outcome="stop"), tokens("cached")
    spent, read, wrote = before[2], tokens("input"), tokens("output")
    await ask(door)
    (record,) = await door.records()
    assert [counted(name, **WHO) - was for name, was in zip(names[:2], before, strict=False)] == [1, 1]
    assert counted("citedesk_calls_total", **WHO, outcome="stop") - calls == 1
    assert (tokens("input") - read, tokens("output") - wrote, tokens("cached") - cached) == (42, 9, 16)
    assert Decimal(counted(names[2], **WHO) - spent) == pytest.approx(record.cost)


def tokens(kind: str) -> float:
    return counted("citedesk_tokens_total", **WHO, kind=kind)


async def test_a_call_that_fails_counts_under_its_error(door: Door, behind: Any) -> None:
    await behind(failure(400, openai_server.error("bad")))
    failed = counted("citedesk_errors_total", **WHO, code="invalid_request")
    tries = counted("citedesk_failed_tries_total", model=LUNA, code="invalid_request")
    with pytest.raises(openai.BadRequestError):
        await ask(door)
    assert counted("citedesk_errors_total", **WHO, code="invalid_request") - failed == 1
    assert counted("citedesk_failed_tries_total", model=LUNA, code="invalid_request") - tries == 1
    assert counted("citedesk_calls_total", **WHO, outcome="error") >= 1


async def test_labels_are_of_bounded_number(door: Door, behind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    await behind(SAID)
    monkeypatch.setattr(metrics, "MOST_TENANTS", 0)
    monkeypatch.setattr(metrics, "_tenants", set())
    before = counted("citedesk_calls_total", **{**WHO, "tenant": "other"}, outcome="stop")
    await ask(door)
    assert counted("citedesk_calls_total", **{**WHO, "tenant": "other"}, outcome="stop") - before == 1
    text = httpx2.get(f"{door.site}/metrics").text
    assert "crm" not in text, "the purpose is no label"
    assert "adam" not in text


async def test_spans_reach_from_the_request_to_the_provider(
    door: Door, behind: Any, spans: InMemorySpanExporter
) -> None:
    await behind(SAID)
    raw = await door.openai.chat.completions.with_raw_response.create(model=LUNA, messages=ASKED)
    assert tree(spans) == ["POST /v1/chat/completions", "  gateway answer", f"    chat {LUNA}"]
    said = dict(named(spans, f"chat {LUNA}").attributes or {})
    assert said.pop("gen_ai.response.time_to_first_chunk") > 0  # type: ignore[operator]
    assert said == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": LUNA,
        "gen_ai.request.max_tokens": said["gen_ai.request.max_tokens"],
        "gen_ai.request.temperature": said["gen_ai.request.temperature"],
        "gen_ai.request.stream": True,
        "gen_ai.output.type": "text",
        "gen_ai.response.model": openai_server.MODEL,
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": 42,
        "gen_ai.usage.output_tokens": 9,
        "gen_ai.usage.cache_read.input_tokens": 16,
        "gen_ai.usage.cache_creation.input_tokens": 0,
        "gen_ai.usage.reasoning.output_tokens": 3,
    }
    call = named(spans, "gateway answer").attributes or {}
    assert call["citedesk.audit_id"] == raw.headers["x-citedesk-audit-id"]
    assert call["citedesk.request_id"] == raw.headers["x-request-id"]


async def test_spans_show_each_try_and_the_next_model(door: Door, behind: Any, spans: InMemorySpanExporter) -> None:
    answers = iter([failure(503, openai_server.error("busy")), failure(401, openai_server.error("key"))])

    def reply(request: Request) -> Script:
        if "messages" in request.path:
            return Script(anthropic_server.message(["Thirty days."]))
        return next(answers)

    await behind(reply)
    await ask(door, "citedesk/answer")
    names = tree(spans)
    assert names[:3] == ["POST /v1/chat/completions", "  gateway answer", f"    chat {LUNA}"]
    assert names[3:] == ["      try", "      try", f"    chat {HAIKU}"]
    assert (named(spans, f"chat {LUNA}").attributes or {})["error.type"] == "invalid_credentials"
    errors = [(s.attributes or {})["error.type"] for s in spans.get_finished_spans() if s.name == "try"]
    assert errors == ["overloaded", "invalid_credentials"]


async def test_an_embedding_is_counted_and_drawn_too(door: Door, spans: InMemorySpanExporter) -> None:
    who = {"task": "embed", "model": "all-MiniLM-L6-v2", "tenant": "acme"}
    before = counted("citedesk_calls_total", **who, outcome="stop")
    await door.openai.embeddings.create(model="citedesk/embed", input="a lamp")
    assert counted("citedesk_calls_total", **who, outcome="stop") - before == 1
    assert tree(spans) == ["POST /v1/embeddings", "  gateway embed", "    embeddings all-MiniLM-L6-v2"]


@pytest.mark.threat("T12")
async def test_no_word_and_no_key_is_in_spans_metrics_or_the_log(
    door: Door, behind: Any, spans: InMemorySpanExporter, caplog: pytest.LogCaptureFixture
) -> None:
    await behind(SAID)
    with caplog.at_level(logging.INFO):
        await ask(door)
    (line,) = [record for record in caplog.records if record.name == "citedesk.calls"]
    told = "".join(span.to_json() for span in spans.get_finished_spans())
    told += str(vars(line)) + httpx2.get(f"{door.site}/metrics").text
    for secret in (QUESTION, "Thirty", door.key, "sk-test-upstream", "adam@example.com"):
        assert secret not in told
    assert line.fields["outcome"] == "stop"  # type: ignore[attr-defined]


@pytest.mark.parametrize("classification", ["public", "personal"])
async def test_an_operator_may_ask_for_the_words_but_not_for_personal_ones(
    door: Door, behind: Any, spans: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch, classification: str
) -> None:
    monkeypatch.setattr(settings, "TRACES_PROMPTS", True)
    await in_database(_hold, door, classification)
    await behind(SAID)
    await ask(door)
    said = str(named(spans, f"chat {LUNA}").attributes)
    assert [text in said for text in (QUESTION, "Thirty days.")] == [classification == "public"] * 2


def _hold(door: Door, classification: str) -> None:
    with tenant_scope(door.cast.acme.pk):
        DoorPolicy.objects.create(tenant=door.cast.acme, classification=classification)


@pytest.mark.threat("T12")
async def test_metrics_are_refused_to_strangers(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    def status(token: str = "", **headers: str) -> int:
        shown = {"authorization": f"Bearer {token}", **headers} if token else headers
        return httpx2.get(f"{door.site}/metrics", headers=shown).status_code

    assert status() == 200, "this machine"
    assert status(**{"x-forwarded-for": "203.0.113.9"}) == 401, "a stranger by way of a proxy"
    monkeypatch.setattr(settings, "HTTPS", True)
    assert status() == 401, "behind a proxy everybody seems to be of this machine"
    monkeypatch.setattr(settings, "METRICS_TOKEN", "a-long-random-token")
    assert [status(), status("another"), status(door.key)] == [401, 401, 401]
    assert status("a-long-random-token") == 200


async def test_metrics_say_how_budgets_and_circuits_stand(door: Door, behind: Any) -> None:
    await behind(SAID)
    await ask(door)
    text = httpx2.get(f"{door.site}/metrics").text
    found = {
        (sample.name, sample.labels.get("tenant") or sample.labels.get("model")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert found["citedesk_circuit_open", LUNA] == 0
    assert 0 < found["citedesk_budget_used_ratio", "acme"] < 1
    assert found["citedesk_standing_read", None] == 1


async def test_a_fault_of_telling_is_not_the_calls(
    door: Door, behind: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(ended: Any) -> None:
        raise ValueError("the canary died")

    monkeypatch.setattr(metrics, "count", broken)
    await behind(SAID)
    assert (await ask(door)).choices[0].message.content == "Thirty days."
    assert len(await door.records()) == 1
    assert "the canary died" in caplog.text
