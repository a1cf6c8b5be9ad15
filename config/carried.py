"""What a task carries of the request that asked for it: its id, and the trace it belongs to."""

from __future__ import annotations

from typing import Any

from celery import signals
from opentelemetry import context, propagate, trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from config.tracing import start
from gateway.telemetry import request_ids

FIELD = "citedesk_request_id"
tracer = trace.get_tracer("citedesk")
_running: dict[str, tuple[Span, Any, Any]] = {}  # by the task's id: span, and the tokens to end with


def connect() -> None:
    """Once, by whoever makes the Celery application."""
    signals.before_task_publish.connect(_hand_over, dispatch_uid="citedesk")
    signals.task_prerun.connect(_begin, dispatch_uid="citedesk")
    signals.task_postrun.connect(_end, dispatch_uid="citedesk")
    signals.worker_process_init.connect(_trace, dispatch_uid="citedesk")


def _hand_over(headers: dict[str, Any] | None = None, **more: Any) -> None:
    if headers is not None:
        headers[FIELD] = request_ids.current()
        propagate.inject(headers)


def _begin(task_id: str, task: Any, **more: Any) -> None:
    """A task of the clock's has no request, and gets an id of its own."""
    fields = {name: value for name, value in vars(task.request).items() if isinstance(value, str)}
    span = tracer.start_span(task.name, context=propagate.extract(fields), kind=SpanKind.CONSUMER)
    span.set_attributes({"messaging.system": "celery", "messaging.message.id": task_id})
    token = request_ids.begin(fields.get(FIELD, ""))
    span.set_attribute("citedesk.request_id", request_ids.current())
    _running[task_id] = span, context.attach(trace.set_span_in_context(span)), token


def _end(task_id: str, state: str = "", **more: Any) -> None:
    """Not for a task that never began."""
    if task_id not in _running:
        return
    span, attached, token = _running.pop(task_id)
    if state == "FAILURE":
        span.set_status(Status(StatusCode.ERROR))
    span.end()
    context.detach(attached)
    request_ids.end(token)


def _trace(**more: Any) -> None:
    start()
