"""Around every door: the request's id, and a span for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from django.urls import Resolver404, resolve
from opentelemetry import propagate, trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from gateway.telemetry import request_ids

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
HEADER = request_ids.HEADER.encode()
tracer = trace.get_tracer("citedesk")


class Observed:
    """An id that the client or the proxy sends is kept, if it is well-formed; the answer names it. A socket
    has one id for all that is asked over it, and no span: it would last as long as the visit."""

    def __init__(self, inner: Any) -> None:
        self.inner: Application = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope.get("headers", ())}
        token = request_ids.begin(headers.get(request_ids.HEADER, ""))
        try:
            if scope["type"] == "http":
                await self._spanned(scope, receive, _naming(send), headers)
            else:
                await self.inner(scope, receive, send)
        finally:
            request_ids.end(token)

    async def _spanned(self, scope: Scope, receive: Receive, send: Send, headers: dict[str, str]) -> None:
        parent = propagate.extract(headers)
        with tracer.start_as_current_span(scope["method"], context=parent, kind=SpanKind.SERVER) as span:
            if not span.is_recording():
                await self.inner(scope, receive, send)
                return
            route = _route(scope["path"])
            span.update_name(f"{scope['method']} {route}")
            span.set_attributes({"http.request.method": scope["method"], "http.route": route})
            await self.inner(scope, receive, _telling(send, span))
            span.set_attribute("citedesk.request_id", request_ids.current())


def _naming(send: Send) -> Send:
    async def named(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            headers = list(message.get("headers", ()))
            if not any(name.lower() == HEADER for name, _value in headers):
                message = {**message, "headers": [*headers, (HEADER, request_ids.current().encode())]}
        await send(message)

    return named


def _telling(send: Send, span: Span) -> Send:
    async def told(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            span.set_attribute("http.response.status_code", message["status"])
            if message["status"] >= 500:
                span.set_status(Status(StatusCode.ERROR))
        await send(message)

    return told


def _route(path: str) -> str:
    """The pattern of the address, not the address: that may hold a token, and there are too many."""
    try:
        return "/" + resolve(path).route
    except Resolver404:
        return path if path in DOOR else "/…"


DOOR = {"/v1/chat/completions", "/v1/responses", "/v1/messages", "/v1/embeddings", "/v1/models"}
