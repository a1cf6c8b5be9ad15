"""Prometheus metrics of calls to models. Labels are of bounded number: tasks and error codes are ours, models
are profiles, tenants beyond the first `MOST_TENANTS` of a process are one. Users and purposes, which others
choose, are no labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import Counter, Histogram

from gateway import errors, profiles
from gateway.hedge import OUTRUN
from gateway.types import JSON, Trace

if TYPE_CHECKING:
    from gateway.telemetry.ended import Ended

MOST_TENANTS = 500
OTHER = "other"
WHO = ["task", "model", "tenant"]

calls = Counter("citedesk_calls", "Calls to models, by how they ended", [*WHO, "outcome"])
seconds = Histogram(
    "citedesk_call_seconds",
    "From the call to its last event",
    WHO,
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 180),
)
first_token = Histogram(
    "citedesk_first_token_seconds",
    "From the call to its first text",
    WHO,
    buckets=(0.05, 0.1, 0.2, 0.4, 0.8, 1.5, 3, 6, 12, 30),
)
tokens = Counter("citedesk_tokens", "Tokens; cached and cache_write are part of input", [*WHO, "kind"])
cost = Counter("citedesk_cost_usd", "US dollars, as booked", WHO)
failures = Counter("citedesk_errors", "Calls that failed, by the code of docs/errors.md", [*WHO, "code"])
tries = Counter(
    "citedesk_failed_tries", "Tries at a model that failed, also of calls that went well", ["model", "code"]
)
degraded = Counter("citedesk_degraded", "Calls that a stand-in answered", [*WHO, "kind"])
cache = Counter("citedesk_cache", "Calls that the cache was asked about: exact, semantic or miss", [*WHO, "result"])

_tenants: set[str] = set()
_kinds: list[type[errors.GatewayError]] = [
    errors.GatewayError,
    *errors.GatewayError.__subclasses__(),
    *errors.ProviderError.__subclasses__(),
]
_codes = {kind.code for kind in _kinds} | {"internal_error", OUTRUN}


def count(ended: Ended) -> None:
    trace = ended.trace
    who = (ended.task, _model(trace.model), _tenant(ended.tenant))
    calls.labels(*who, ended.outcome).inc()
    if (whole := ended.seconds("start", "finished")) is not None:
        seconds.labels(*who).observe(whole)
    if (first := ended.seconds("start", "first_token")) is not None:
        first_token.labels(*who).observe(first)
    usage = trace.usage
    kinds = {
        "input": usage.input_tokens,
        "cached": usage.cached_tokens,
        "cache_write": usage.cache_write_tokens,
        "output": usage.output_tokens,
        "reasoning": usage.reasoning_tokens,
    }
    for kind, number in kinds.items():
        if number:
            tokens.labels(*who, kind).inc(number)
    cost.labels(*who).inc(float(trace.cost))
    if trace.error_code:
        failures.labels(*who, _code(trace.error_code)).inc()
    for attempt in failed_tries(trace):
        tries.labels(_model(attempt["model"]), _code(attempt["error"])).inc()
    if trace.degraded:
        degraded.labels(*who, trace.degraded.value).inc()
    if trace.cache.kind:
        cache.labels(*who, trace.cache.kind).inc()


def failed_tries(trace: Trace) -> list[JSON]:
    """Of what a trace's attempts note, such as less output for want of money, those that an error ended."""
    return [each for each in trace.attempts if "error" in each]


def _model(name: str) -> str:
    """Empty where none was found for the call."""
    if name and name not in profiles.completion_profiles() and name not in profiles.embedding_profiles():
        return OTHER
    return name


def _tenant(slug: str) -> str:
    if slug not in _tenants and len(_tenants) >= MOST_TENANTS:
        return OTHER
    _tenants.add(slug)
    return slug


def _code(code: str) -> str:
    return code if code in _codes else OTHER
