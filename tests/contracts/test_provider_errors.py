"""Every exception of every SDK becomes one of ours."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import time
from email.utils import formatdate
from types import ModuleType
from typing import Any

import anthropic
import botocore.exceptions
import httpx2
import openai
import pytest
from google.genai.errors import ClientError

from gateway.errors import InvalidCredentials, InvalidRequest, ProviderError, QuotaExhausted, RateLimited
from gateway.providers.aws import AWS_RULES
from gateway.providers.errors import RULES, Rules, safe, translate
from gateway.providers.gemini import GEMINI_RULES
from gateway.providers.mistral import MISTRAL_RULES
from gateway.providers.waiting import LONGEST_GUESS, retry_after
from tests.servers import gemini_server

ROOTS = {"OpenAIError", "AnthropicError"}
REQUEST = httpx2.Request("POST", "https://provider.example/v1")


def exceptions(module: ModuleType) -> list[type[BaseException]]:
    found = [each for _, each in inspect.getmembers(module, inspect.isclass) if issubclass(each, BaseException)]
    return [each for each in found if not issubclass(each, Warning)]


def of_the_sdks() -> list[type[BaseException]]:
    """All that the SDKs define, wherever: their exception modules, and every subclass of a root."""
    found = set(exceptions(importlib.import_module("openai._exceptions")))
    found |= set(exceptions(importlib.import_module("anthropic._exceptions")))
    for sdk in (openai, anthropic):
        for part in pkgutil.iter_modules([sdk.__path__[0]]):
            if part.name not in {"__main__", "cli"}:
                importlib.import_module(f"{sdk.__name__}.{part.name}")
    waiting: list[type[BaseException]] = [openai.OpenAIError, anthropic.AnthropicError]
    while waiting:
        kind = waiting.pop()
        found.add(kind)
        waiting += kind.__subclasses__()
    return sorted((each for each in found if each.__module__.split(".")[0] in {"openai", "anthropic"}), key=str)


def made(kind: type[BaseException]) -> BaseException:
    """One of its kind, as complete as our translation needs it."""
    error = kind.__new__(kind)
    status: Any = getattr(kind, "status_code", 500)
    values = {
        "message": "it said so",
        "body": {"error": {"type": "unheard_of", "message": "it said so"}},
        "code": None,
        "request_id": None,
        "type": None,
        "status_code": status,
        "response": httpx2.Response(status, request=REQUEST),
    }
    for name, value in values.items():
        setattr(error, name, value)
    return error


@pytest.mark.parametrize("kind", of_the_sdks(), ids=lambda kind: f"{kind.__module__.split('.')[0]}.{kind.__name__}")
def test_no_exception_of_an_sdk_is_left_out(kind: type[BaseException]) -> None:
    rule = next(each.__name__ for each in kind.__mro__ if each.__name__ in RULES)
    if kind.__module__.endswith("._exceptions"):  # what the API's calls raise; others are of parts that we do not use
        assert (rule in ROOTS) == (kind.__name__ in ROOTS), "only the root itself may fall to the rule of the root"
    error = translate(made(kind))
    assert isinstance(error, ProviderError)
    assert type(error) is not ProviderError


def test_the_list_is_not_empty() -> None:
    names = {kind.__name__ for kind in of_the_sdks()}
    assert {"RateLimitError", "APITimeoutError", "OverloadedError", "CredentialsError", "OAuthError"} <= names
    assert len(of_the_sdks()) > 35


OTHERS: dict[str, Rules] = {
    "google.genai.errors": GEMINI_RULES,
    "botocore.exceptions": AWS_RULES,
    "botocore.eventstream": AWS_RULES,
    "mistralai.client.errors": MISTRAL_RULES,
    "mistralai.extra.exceptions": MISTRAL_RULES,
}
OWN = [(kind, rules) for name, rules in OTHERS.items() for kind in exceptions(importlib.import_module(name))]


@pytest.mark.parametrize(("kind", "rules"), OWN, ids=lambda each: getattr(each, "__qualname__", ""))
def test_no_exception_of_an_sdk_with_its_own_shapes_is_left_out(kind: type[BaseException], rules: Rules) -> None:
    assert any(each.__name__ in rules for each in kind.__mro__)
    error = kind.__new__(kind)
    response: Any = {"Error": {}} if rules is AWS_RULES else None
    values = {"details": {}, "message": "it said so", "status": "X", "response": response, "code": 500}
    values |= {"body": "", "status_code": 500, "headers": {}}
    for name, value in values.items():
        setattr(error, name, value)
    assert type(translate(error, rules=rules)) is not ProviderError


@pytest.mark.threat("V1", "V2")
def test_gemini_says_in_the_details_which_limit_was_hit() -> None:
    words = "You exceeded your current quota, please check your plan and billing details."
    for quota, kind in (("RequestsPerMinute", RateLimited), ("RequestsPerDay", QuotaExhausted)):
        body = gemini_server.error(words, status=429, quota=quota, wait="37s")
        error = translate(ClientError(429, body, httpx2.Response(429, request=REQUEST)), rules=GEMINI_RULES)
        assert (type(error), error.retry_after) == (kind, 37 if kind is RateLimited else None)


@pytest.mark.threat("V10")
def test_every_trouble_with_credentials_at_aws_is_told_from_a_bad_request() -> None:
    words = ("Credential", "Token", "SSO", "Login", "MFA", "Profile")
    kinds = [each for each in exceptions(botocore.exceptions) if any(word in each.__name__ for word in words)]
    assert {type(translate(kind.__new__(kind), rules=AWS_RULES)) for kind in kinds} == {InvalidCredentials}
    assert len(kinds) > 14


@pytest.mark.threat("V10")
def test_a_key_that_gemini_does_not_know_is_no_bad_request() -> None:
    body = gemini_server.error("API key not valid.", status=400, reason="API_KEY_INVALID")
    error = translate(ClientError(400, body, httpx2.Response(400, request=REQUEST)), rules=GEMINI_RULES)
    assert isinstance(error, InvalidCredentials)


@pytest.mark.parametrize("kind", exceptions(importlib.import_module("httpx2")), ids=lambda kind: kind.__name__)
def test_no_exception_of_the_http_client_is_left_out(kind: type[BaseException]) -> None:
    if kind.__name__ in {"CookieConflict"}:
        return  # we use no cookies
    assert any(each.__name__ in RULES for each in kind.__mro__)


def test_what_is_unknown_is_still_ours() -> None:
    assert isinstance(translate(KeyError("x")), InvalidRequest)


@pytest.mark.threat("V1")
@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "3"}, 3),
        ({"retry-after": " 2.5 "}, 2.5),
        ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "1e400"}, None),
        ({"retry-after": formatdate(0, usegmt=True)}, 0),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1.5s"}, 1.5),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "120ms"}, 0.12),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "6m0s"}, LONGEST_GUESS),
        ({"x-ratelimit-remaining-requests": "7", "x-ratelimit-reset-requests": "2s"}, None),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "soon"}, None),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "2s", "retry-after": "1"}, 1),
    ],
)
def test_the_wait_is_read_in_each_form(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers) == seconds


@pytest.mark.threat("V1")
@pytest.mark.parametrize("limit", ["requests", "tokens", "input-tokens", "output-tokens"])
def test_a_limit_that_is_used_up_says_when_it_is_full_again(limit: str) -> None:
    headers = {
        "date": "Tue, 24 Nov 2026 10:00:00 GMT",
        f"anthropic-ratelimit-{limit}-remaining": "0",
        f"anthropic-ratelimit-{limit}-reset": "2026-11-24T10:00:03Z",
    }
    assert retry_after(headers) == 3


@pytest.mark.threat("V1", "R11")
def test_a_clock_of_ours_that_is_wrong_does_no_harm() -> None:
    headers = {"date": "Tue, 24 Nov 2026 10:00:00 GMT", "retry-after": "Tue, 24 Nov 2026 10:00:07 GMT"}
    assert retry_after(headers) == 7


@pytest.mark.threat("V1")
def test_a_date_is_a_wait_from_now() -> None:
    now = time.time()
    wait = retry_after({"retry-after": formatdate(now + 90, usegmt=True)}, now=now)
    assert wait == pytest.approx(90, abs=1)


@pytest.mark.threat("T12", "O6")
def test_a_detail_is_one_short_line_without_a_key() -> None:
    detail = safe("bad key\r\n\x1b[31m s3cret-value and sk-proj-abcd****wxyz " + "x" * 900, "s3cret-value")
    assert "s3cret" not in detail
    assert "sk-proj" not in detail
    assert "\n" not in detail
    assert len(detail) == 300
