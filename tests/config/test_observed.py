"""One request id from the door to the log, the worker and the span."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from queue import Queue
from typing import Any

import httpx2
import pytest
from celery import Celery
from celery.contrib.testing.worker import start_worker
from django.core.exceptions import ImproperlyConfigured
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from config.env import Env
from config.logs import JsonFormatter, SafeFormatter
from gateway.telemetry import request_ids
from tests.conftest import TestDatabase


def written(formatter: logging.Formatter, message: str, *args: Any, **fields: Any) -> str:
    record = logging.LogRecord("citedesk.test", logging.INFO, "", 0, message, args, None)
    record.fields = fields
    return formatter.format(record)


@pytest.fixture
def request_id() -> Iterator[str]:
    token = request_ids.begin("req-from-the-door")
    yield request_ids.current()
    request_ids.end(token)


def test_a_line_for_a_collector_is_one_object_with_the_requests_id(request_id: str) -> None:
    line = json.loads(written(JsonFormatter(), "model %s", "call", tenant="acme", total_ms=12.5))
    assert {name: line[name] for name in ("message", "level", "request_id", "tenant", "total_ms")} == {
        "message": "model call",
        "level": "INFO",
        "request_id": request_id,
        "tenant": "acme",
        "total_ms": 12.5,
    }


@pytest.mark.threat("O6")
def test_no_value_of_a_json_line_breaks_it_or_moves_the_terminal() -> None:
    hostile = 'x"}\r\n{"level": "INFO"} \x1b[2J\x9b31m\x7f\u2028'
    text = written(JsonFormatter(), "refused %s", hostile, name=hostile)
    assert text.isascii()
    assert not set("\x1b\x7f\r\n") & set(text)
    assert json.loads(text)["name"] == hostile


@pytest.mark.threat("T12")
@pytest.mark.parametrize("kind", [JsonFormatter, SafeFormatter])
def test_keys_and_addresses_are_taken_out_of_lines(kind: type[SafeFormatter]) -> None:
    formatter = kind(secrets=["correct horse battery", ""])
    text = written(
        formatter,
        "refused %s",
        "Bearer abc.def, sk-proj-0123456789, cdk_ab12cd34ef56_secret, correct horse battery, ann@example.com",
        also="AKIAIOSFODNN7EXAMPLE",
    )
    for secret in ("abc.def", "0123456789", "cdk_", "horse", "ann@", "AKIA"):
        assert secret not in text
    assert "refused" in text


@pytest.mark.threat("T12")
def test_what_the_environment_calls_a_key_is_known_as_a_secret() -> None:
    values = {"OPENAI_API_KEY": "key-1", "CITEDESK_DATABASE_URL": "postgres://a:word@h/x", "CITEDESK_PORT": "1"}
    assert set(Env(environ=values).secrets()) >= {"key-1", "word"}


@pytest.mark.threat("T12")
def test_a_token_that_can_be_guessed_is_refused() -> None:
    with pytest.raises(ImproperlyConfigured, match="CITEDESK_METRICS_TOKEN") as refused:
        Env(environ={"CITEDESK_METRICS_TOKEN": "letmein"}).token("CITEDESK_METRICS_TOKEN")
    assert "letmein" not in str(refused.value)


def test_an_answer_names_the_id_that_was_sent_and_no_other_text(live_db: TestDatabase, site: str) -> None:
    kept = httpx2.get(f"{site}/health", headers={"X-Request-Id": "proxy-0123456789"})
    made = httpx2.get(f"{site}/health", headers={"X-Request-Id": "spaces are not allowed"})
    refused = httpx2.post(f"{site}/v1/chat/completions", headers={"X-Request-Id": "proxy-0123456789"})
    assert kept.headers["x-request-id"] == "proxy-0123456789"
    assert made.headers["x-request-id"].startswith("req_")
    assert refused.headers.get_list("x-request-id") == [refused.json()["request_id"]]


def test_a_task_carries_the_id_and_the_trace_of_the_request_that_asked_for_it(request_id: str) -> None:
    worker = Celery("test", broker="memory://", set_as_current=False)
    seen: Queue[tuple[str, int]] = Queue()
    asking = NonRecordingSpan(SpanContext(0xABC, 0xDEF, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED)))
    worker.conf.update(worker_hijack_root_logger=False, task_ignore_result=True)

    @worker.task(name="test.look")  # type: ignore[untyped-decorator]
    def look() -> None:
        seen.put((request_ids.current(), trace.get_current_span().get_span_context().trace_id))

    with start_worker(worker, perform_ping_check=False, shutdown_timeout=30):
        with trace.use_span(asking):
            look.delay()
        token = request_ids.begin("req-of-another")
        look.delay()
        request_ids.end(token)
        assert seen.get(timeout=30) == (request_id, 0xABC)
        assert seen.get(timeout=30)[0] == "req-of-another"
