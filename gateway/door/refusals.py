"""Why the door refuses a request, in one value that each dialect renders in its own shape."""

from __future__ import annotations

from typing import NamedTuple

from gateway import errors
from gateway.errors import GatewayError


class Refused(Exception):
    """`status` is HTTP's, `code` one of docs/errors.md, `param` the place in the request that is at
    fault. `again` says whether the same request may succeed later: the SDKs are told, and try it."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        param: str | None = None,
        retry_after: float | None = None,
        again: bool = False,
    ) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail, self.param = status, code, detail, param
        self.retry_after, self.again = retry_after, again


def invalid(detail: str, param: str = "") -> Refused:
    """The request is not as the dialect has it."""
    return Refused(400, "invalid_input", detail, param=param or None)


def unsupported(what: str, param: str) -> Refused:
    """The dialect has it, and this door has not: said, and never ignored."""
    return Refused(400, "unsupported", what, param=param)


class _Answer(NamedTuple):
    status: int
    again: bool
    detail: str = ""  # instead of the error's own, which is for admins


NOT_YOURS = "The provider did not take the gateway's request. Its administrator finds the cause in the audit record."
ANSWERS: dict[type[GatewayError], _Answer] = {
    errors.BudgetExceeded: _Answer(402, False),
    errors.LimitExceeded: _Answer(429, True),
    errors.UnknownModel: _Answer(404, False),
    errors.Unsupported: _Answer(400, False),
    errors.InvalidRequest: _Answer(400, False),
    errors.ContextTooLong: _Answer(400, False),
    errors.ContentRefused: _Answer(400, False),
    errors.RateLimited: _Answer(429, True),
    errors.Overloaded: _Answer(503, True),
    errors.CircuitOpen: _Answer(503, True),
    errors.ProviderTimeout: _Answer(504, True),
    errors.ConnectionFailed: _Answer(502, True),
    errors.StreamBroken: _Answer(502, True),
    errors.InvalidCredentials: _Answer(502, False, NOT_YOURS),
    errors.CredentialsUnavailable: _Answer(503, True, NOT_YOURS),
    errors.QuotaExhausted: _Answer(502, False, NOT_YOURS),
    errors.NotInstalled: _Answer(502, False, NOT_YOURS),
    errors.NoCandidate: _Answer(503, False),
    errors.UnpricedModel: _Answer(503, False),
    errors.GatewayError: _Answer(502, False),
}


def refusal(error: GatewayError) -> Refused:
    """What an error of the gateway is to whoever called it."""
    answer = next(ANSWERS[kind] for kind in type(error).__mro__ if kind in ANSWERS)
    wait = getattr(error, "retry_after", None)
    return Refused(
        answer.status,
        error.code,
        answer.detail or error.detail or error.code.replace("_", " "),
        retry_after=wait if answer.again else None,
        again=answer.again,
    )
