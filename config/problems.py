"""One shape for every error of the API: RFC 9457 problem details with our stable `code`."""

from __future__ import annotations

import math
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError

from accounts.api_auth import CrossSite, NotSignedIn, ScopeMissing
from assistant.errors import AssistantError, UnknownConversation
from gateway.errors import BudgetExceeded, GatewayError, LimitExceeded
from tickets.errors import CustomerWrote, IdTaken, NotAllowed, TicketError, TooLate, WrongState

STATUS: dict[type[Exception], int] = {
    NotSignedIn: 401,
    ScopeMissing: 403,
    CrossSite: 403,
    UnknownConversation: 404,
    AssistantError: 422,
    NotAllowed: 403,
    WrongState: 409,
    CustomerWrote: 409,
    IdTaken: 409,
    TooLate: 409,
    TicketError: 422,
    BudgetExceeded: 402,
    LimitExceeded: 429,
    GatewayError: 502,
}


def problem(status: int, code: str, detail: str, **more: Any) -> HttpResponse:
    body = {"type": f"/docs/errors#{code}", "title": code.replace("_", " "), "status": status, "code": code}
    return JsonResponse({**body, "detail": detail, **more}, status=status, content_type="application/problem+json")


def install(api: NinjaAPI) -> None:
    """Translates every error that an endpoint may raise."""
    for kind, status in STATUS.items():
        api.add_exception_handler(kind, _handler(status))
    api.add_exception_handler(Http404, lambda request, error: problem(404, "not_found", "There is no such thing here."))
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
