"""Where spans go, as the standard variables say."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from config import tracing
from config.env import Env, traces_exporter

ROOT = Path(__file__).parents[2]
PROCESS = """
import django
django.setup()
from config import tracing
from opentelemetry import trace
tracing.start()
trace.get_tracer("test").start_span("a canary").end()
trace.get_tracer_provider().force_flush()
"""


@pytest.fixture
def collector() -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
    """Its address, and what it was sent: (path, body)."""
    sent: list[tuple[str, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sent.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            return None

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", sent
    server.shutdown()
    server.server_close()


def test_spans_reach_the_collector_that_the_environment_names(
    collector: tuple[str, list[tuple[str, bytes]]],
) -> None:
    address, sent = collector
    named = {"OTEL_EXPORTER_OTLP_ENDPOINT": address, "OTEL_EXPORTER_OTLP_COMPRESSION": "none"}
    environment = {**os.environ, **named, "DJANGO_SETTINGS_MODULE": "config.settings"}
    subprocess.run([sys.executable, "-c", PROCESS], cwd=ROOT, env=environment, check=True)
    ((path, body),) = sent
    assert path == "/v1/traces"
    assert b"a canary" in body
    assert b"citedesk" in body, "the service's name"


def test_without_the_sdk_a_wish_for_spans_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "TRACES_EXPORTER", "otlp")
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(ImproperlyConfigured, match=r"citedesk\[otel\]"):
        tracing.start()


@pytest.mark.parametrize(
    ("values", "exporter"),
    [
        ({}, ""),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}, "otlp"),
        ({"OTEL_TRACES_EXPORTER": "console"}, "console"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318", "OTEL_TRACES_EXPORTER": "none"}, ""),
        ({"OTEL_TRACES_EXPORTER": "otlp", "OTEL_SDK_DISABLED": "true"}, ""),
    ],
)
def test_nobody_is_sent_spans_unless_asked_for(values: dict[str, str], exporter: str) -> None:
    assert traces_exporter(Env(environ=values)) == exporter


def test_an_exporter_that_we_have_not_is_refused() -> None:
    with pytest.raises(ImproperlyConfigured, match="OTEL_TRACES_EXPORTER"):
        traces_exporter(Env(environ={"OTEL_TRACES_EXPORTER": "jaeger"}))
