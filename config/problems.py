"""One shape for every error of the API: RFC 9457 problem details with our stable `code`."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.core.exceptions import RequestDataTooBig
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils.decorators import sync_and_async_middleware
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError

from accounts.api_auth import CrossSite, NotSignedIn, ScopeMissing
from assistant.errors import AssistantError, IdInUse, UnknownConversation
from gateway.errors import BudgetExceeded, GatewayError, LimitExceeded, ProviderNotAllowed, TaskOff
from knowledge.pushing import KeyReused, NotAnApiSource, PushError, StaffOnly
from tickets.errors import CustomerWrote, IdTaken, NotAllowed, TicketError, TooLate, WrongState

STATUS: dict[type[Exception], int] = {
    NotSignedIn: 401,
    ScopeMissing: 403,
    CrossSite: 403,
    UnknownConversation: 404,
    IdInUse: 409,
    AssistantError: 422,
    NotAllowed: 403,
    WrongState: 409,
    CustomerWrote: 409,
    IdTaken: 409,
    TooLate: 409,
    TicketError: 422,
    StaffOnly: 403,
    KeyReused: 409,
    NotAnApiSource: 409,
    PushError: 422,
    BudgetExceeded: 402,
    LimitExceeded: 429,
    ProviderNotAllowed: 403,
    TaskOff: 403,
    GatewayError: 502,
}

PROBLEM_TYPE = "application/problem+json"
# What the API's document says of every error.
PROBLEM_SCHEMA: dict[str, Any] = {
    "title": "Problem",
    "description": "By RFC 9457. `code` is stable: one of docs/errors.md. `fields` says what is wrong with the input.",
    "type": "object",
    "required": ["type", "title", "status", "code", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string", "pattern": "^[a-z_]+$"},
        "detail": {"type": "string"},
        "fields": {"type": "array", "items": {"type": "object"}},
    },
}
PROBLEM_RESPONSE: dict[str, Any] = {
    "description": "A problem",
    "content": {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
}
TOO_LARGE = "The request is larger than the server takes."
# Answers that Django gives before an endpoint is reached, or after it broke.
PLAIN = {
    400: ("bad_request", "That request is not understood."),
    403: ("forbidden", "That is not allowed."),
    404: ("not_found", "There is no such thing here."),
    405: ("method_not_allowed", "This address does not take that method."),
    500: ("internal", "Something went wrong on our side."),
}


def problem(status: int, code: str, detail: str, **more: Any) -> HttpResponse:
    body = {"type": f"/docs/errors#{code}", "title": code.replace("_", " "), "status": status, "code": code}
    return JsonResponse({**body, "detail": detail, **more}, status=status, content_type=PROBLEM_TYPE)


def install(api: NinjaAPI) -> None:
    """Translates every error that an endpoint may raise."""
    for kind, status in STATUS.items():
        api.add_exception_handler(kind, _handler(status))
    api.add_exception_handler(Http404, lambda request, error: problem(404, "not_found", "There is no such thing here."))
    api.add_exception_handler(RequestDataTooBig, lambda request, error: problem(413, "too_large", TOO_LARGE))
    api.add_exception_handler(HttpError, _http_error)
    api.add_exception_handler(ValidationError, _invalid)


def _handler(status: int) -> Any:
    def handle(request: HttpRequest, error: Exception) -> HttpResponse:
        response = problem(status, getattr(error, "code", "error"), str(getattr(error, "detail", "") or error))
        if isinstance(error, LimitExceeded):
            response["Retry-After"] = str(math.ceil(error.retry_after))
        return response

    return handle


def _http_error(request: HttpRequest, error: Any) -> HttpResponse:
    return problem(error.status_code, "bad_request", str(error.message))


def _invalid(request: HttpRequest, error: Any) -> HttpResponse:
    fields = [{"at": [str(part) for part in each["loc"]], "what": each["msg"]} for each in error.errors]
    return problem(422, "invalid_input", "Some of the input is missing or not of the right kind.", fields=fields)


@sync_and_async_middleware
def problems_of_the_api(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Gives the errors that Django itself answers with, below /api/, the shape of all others."""
    if iscoroutinefunction(get_response):

        async def wait(request: HttpRequest) -> HttpResponse:
            return _shaped(request, await get_response(request))

        return wait

    def respond(request: HttpRequest) -> HttpResponse:
        return _shaped(request, get_response(request))

    return respond


def _shaped(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    known = PLAIN.get(response.status_code)
    if known is None or not request.path.startswith("/api/") or response.get("Content-Type") == PROBLEM_TYPE:
        return response
    shaped = problem(response.status_code, *known)
    if "Allow" in response:
        shaped["Allow"] = response["Allow"]
    return shaped
