"""What the SDKs of the providers raise, translated into our own tree at the adapter's edge.

One table by class name serves both SDKs, which share their names, so neither is imported here. A
status error is decided by the provider's code where it sends one, because a status means several
things: 429 is a rate limit (wait) or an empty account (do not), 400 a bad request or a long one.

Does not catch: a provider that reports an empty account as an ordinary rate limit, without a code
or a sentence that we know; it is then retried twice.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from gateway.errors import (
    ConnectionFailed,
    ContentRefused,
    ContextTooLong,
    InvalidCredentials,
    InvalidRequest,
    Overloaded,
    ProviderError,
    ProviderTimeout,
    QuotaExhausted,
    RateLimited,
    StreamBroken,
)
from gateway.providers.waiting import retry_after

LONGEST_DETAIL = 300
QUOTA = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_error", "quota_exceeded"})
QUOTA_PHRASES = ("credit balance is too low", "exceeded your current quota", "api usage limits")
TOO_LONG = frozenset({"context_length_exceeded", "exceed_context_size_error", "request_too_large"})
TOO_LONG_PHRASES = (
    "prompt is too long",
    "maximum context length",
    "exceeds the available context size",
    "exceeds the maximum number of tokens",
    "input is too long",
)
REFUSED = frozenset(
    {
        "content_filter",
        "content_policy_violation",
        "bio_policy",
        "misalignment_policy_violation",
        "image_content_policy_violation",
    }
)
RATE = frozenset({"rate_limit_exceeded", "rate_limit_error", "too_many_requests"})
REVOKED = frozenset({"authentication_error", "invalid_api_key", "account_deactivated", "api_key_invalid"})
REVOKED_PHRASES = ("api key not valid", "api key expired", "reported as leaked")
CREDENTIALS = REVOKED | {"permission_error"}
OVERLOADED = frozenset({"overloaded_error", "server_overloaded", "service_unavailable", "slow_down", "timeout_error"})
INVALID = frozenset({"invalid_request_error", "invalid_prompt", "not_found_error", "model_not_found"})
TRANSIENT = frozenset({408, 409, 425, 499})
KEY_LIKE = re.compile(r"\b(?:sk-|AIza|AQ\.)[\w*.\-]{6,}|\bBearer \S+")


Rules = Mapping[str, Callable[[Any, str], ProviderError]]


@contextmanager
def translated(
    sdk_error: type[Exception] | tuple[type[Exception], ...], secret: str, rules: Rules | None = None
) -> Iterator[None]:
    """Turns what the SDK, its HTTP client and its parsers raise into a `ProviderError`, without a
    cause: theirs hold the request, and so the key. `sdk_error` is the root of the SDK's tree, or its
    roots, and `rules` are those of an SDK that calls its errors otherwise."""
    import httpx2

    roots = sdk_error if isinstance(sdk_error, tuple) else (sdk_error,)
    ours = (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError, ValueError, RecursionError)
    expected: tuple[type[Exception], ...] = (*roots, *ours)
    try:
        yield
    except expected as error:
        raise translate(error, secret, rules) from None


def translate(error: BaseException, secret: str = "", rules: Rules | None = None) -> ProviderError:
    """The error of ours that says the same, with a detail that never holds `secret`."""
    table = RULES if rules is None else rules
    for kind in type(error).__mro__:
        if kind.__name__ in table:
            return table[kind.__name__](error, secret)
    return InvalidRequest(safe(str(error), secret))


def reported(code: str | None, message: str | None, secret: str = "") -> ProviderError:
    """An error that the provider sent inside a stream that began well (V3)."""
    return _decide(None, frozenset({code or ""}), message or "", secret)


def safe(text: str, secret: str) -> str:
    """`text` on one line, cut, without the key or anything that looks like one (T12)."""
    if secret:
        text = text.replace(secret, "[key]")
    return KEY_LIKE.sub("[key]", " ".join(text.split()))[:LONGEST_DETAIL]


def _decide(
    status: int | None, codes: frozenset[str], message: str, secret: str, *, wait: float | None = None
) -> ProviderError:
    """The order matters: what the provider says of the cause comes before the status."""
    said = message.lower()
    named = " ".join(sorted(code for code in codes if code))
    detail = safe(f"{status or ''} {named}: {message}".strip(" :"), secret)
    if codes & QUOTA or status == 402 or any(phrase in said for phrase in QUOTA_PHRASES):
        return QuotaExhausted(detail, status=status)
    if codes & TOO_LONG or status == 413 or any(phrase in said for phrase in TOO_LONG_PHRASES):
        return ContextTooLong(detail, status=status)
    if codes & REFUSED:
        return ContentRefused(detail, status=status)
    if codes & RATE or status == 429:
        return RateLimited(detail, retry_after=wait, status=status)
    if codes & CREDENTIALS or status in {401, 403}:
        revoked = status == 401 or bool(codes & REVOKED) or any(phrase in said for phrase in REVOKED_PHRASES)
        return InvalidCredentials(detail, status=status, revoked=revoked)
    if codes & OVERLOADED or (status is not None and (status >= 500 or status in TRANSIENT)):
        return Overloaded(detail, retry_after=wait, status=status)
    if status is not None and 300 <= status < 400:
        return InvalidRequest(f"{status}: the address redirects, which is never followed with a key", status=status)
    if codes & INVALID or (status is not None and status >= 400):
        return InvalidRequest(detail, status=status)
    return StreamBroken(detail or "the provider reported an error", status=status)


def _status(error: Any, secret: str) -> ProviderError:
    body: dict[str, Any] = error.body if isinstance(error.body, dict) else {}
    inner: dict[str, Any] = body["error"] if isinstance(body.get("error"), dict) else body
    codes = frozenset(str(inner[key]) for key in ("code", "type") if isinstance(inner.get(key), str))
    message = inner.get("message")
    status = None if error.status_code == 200 else error.status_code
    headers = error.response.headers
    said = message if isinstance(message, str) else str(error.message)
    decided = _decide(status, codes, said, secret, wait=retry_after(headers))
    if headers.get("x-should-retry") == "false":
        decided.retryable = False
    return decided


def _in_stream(error: Any, secret: str) -> ProviderError:
    codes = frozenset(str(each) for each in (error.code, error.type) if each) if hasattr(error, "code") else frozenset()
    return _decide(None, codes, str(error.message), secret)


def _timeout(error: BaseException, secret: str) -> ProviderError:
    names = {kind.__name__ for kind in type(error.__cause__ or error).__mro__}
    return ProviderTimeout(phase="connect" if names & {"ConnectTimeout", "PoolTimeout"} else "stall")


def _connection(error: BaseException, secret: str) -> ProviderError:
    cause = error.__cause__
    if cause is not None and type(cause).__name__ not in {"ConnectError", "ProxyError", "UnsupportedProtocol"}:
        return StreamBroken(safe(f"the connection broke: {cause}", secret))
    return ConnectionFailed(safe(str(cause or error), secret))


def _as(kind: type[ProviderError]) -> Callable[[BaseException, str], ProviderError]:
    return lambda error, secret: kind(safe(str(error), secret))


def _malformed(error: BaseException, secret: str) -> ProviderError:
    return StreamBroken(f"the provider's answer cannot be read: {type(error).__name__}")


RULES: dict[str, Callable[[Any, str], ProviderError]] = {
    "APIStatusError": _status,
    "APIError": _in_stream,
    "APIConnectionError": _connection,
    "APITimeoutError": _timeout,
    "APIResponseValidationError": _malformed,
    "APIWebhookValidationError": _malformed,
    "InvalidWebhookSignatureError": _malformed,
    "ContentFilterFinishReasonError": _as(ContentRefused),
    "LengthFinishReasonError": _as(StreamBroken),
    "RetryableError": _as(Overloaded),
    "CredentialsError": _as(InvalidCredentials),
    "SubjectTokenProviderError": _as(InvalidCredentials),
    "WorkloadIdentityError": _as(InvalidCredentials),
    "MutuallyExclusiveAuthError": _as(InvalidCredentials),
    "StreamAlreadyConsumed": _as(StreamBroken),
    "WebSocketConnectionClosedError": _as(StreamBroken),
    "WebSocketQueueFullError": _as(Overloaded),
    "OpenAIError": _as(InvalidRequest),
    "AnthropicError": _as(InvalidRequest),
    "TimeoutException": _timeout,
    "ConnectError": _as(ConnectionFailed),
    "ProxyError": _as(ConnectionFailed),
    "UnsupportedProtocol": _as(ConnectionFailed),
    "InvalidURL": _as(ConnectionFailed),
    "HTTPError": _as(StreamBroken),
    "StreamError": _as(StreamBroken),
    "ValueError": _malformed,
    "RecursionError": _malformed,
}


def decided(
    status: int | None, codes: frozenset[str], message: str, secret: str, *, wait: float | None = None
) -> ProviderError:
    """The same decision for an SDK whose errors have a shape of their own, which its adapter reads."""
    return _decide(status, codes, message, secret, wait=wait)


def broken(error: BaseException, secret: str) -> ProviderError:
    """The rule for whatever ends a stream that had begun."""
    return StreamBroken(safe(str(error), secret))
