"""What providers write into their headers, read."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from gateway.limits.learnt import Learnt, Window, learn, seconds

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def test_openais_headers() -> None:
    headers = {
        "x-ratelimit-limit-requests": "60",
        "x-ratelimit-remaining-requests": "45",
        "x-ratelimit-reset-requests": "15s",
        "x-ratelimit-limit-tokens": "150000",
        "x-ratelimit-remaining-tokens": "0",
        "x-ratelimit-reset-tokens": "1m0s",
    }
    assert learn(headers, now=NOW) == Learnt(Window(60, 0.75), Window(150_000, 0))


def test_a_limit_by_the_day_is_what_it_gains_a_minute() -> None:
    headers = {
        "x-ratelimit-limit-requests": "200",
        "x-ratelimit-remaining-requests": "100",
        "x-ratelimit-reset-requests": "12h0m0s",
    }
    assert learn(headers, now=NOW).requests == Window(pytest.approx(100 * 60 / 43_200), 0.5)


def test_anthropics_headers_and_the_tighter_of_its_tokens() -> None:
    headers = {
        "anthropic-ratelimit-requests-limit": "50",
        "anthropic-ratelimit-requests-remaining": "49",
        "anthropic-ratelimit-requests-reset": "2026-11-24T12:00:01Z",
        "anthropic-ratelimit-input-tokens-limit": "30000",
        "anthropic-ratelimit-input-tokens-remaining": "30000",
        "anthropic-ratelimit-input-tokens-reset": "2026-11-24T12:00:00Z",
        "anthropic-ratelimit-output-tokens-limit": "8000",
        "anthropic-ratelimit-output-tokens-remaining": "4000",
        "anthropic-ratelimit-output-tokens-reset": "2026-11-24T12:00:30Z",
    }
    assert learn(headers, now=NOW) == Learnt(Window(50, 0.98), Window(8000, 0.5))


@pytest.mark.parametrize(
    ("text", "expected"),
    [("6m0s", 360), ("20ms", 0.02), ("1h2m3.5s", 3723.5), ("12", 12), ("2026-11-24T12:01:00Z", 60), ("soon", None)],
)
def test_the_spellings_of_a_wait(text: str, expected: float | None) -> None:
    assert seconds(text, NOW) == expected


@pytest.mark.parametrize("value", ["", "-1", "many", "9" * 40, "1e9", "0"])
def test_nonsense_is_no_limit(value: str) -> None:
    headers = {"x-ratelimit-limit-requests": value, "x-ratelimit-remaining-requests": value}
    assert learn(headers, now=NOW) == Learnt()
