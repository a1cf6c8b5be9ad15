"""What a provider says of its limits in the headers of an answer.

OpenAI, and those that speak like it: `x-ratelimit-limit-requests`, `-remaining-`, `-reset-` (as
`1m30.5s` or `20ms`). Anthropic: `anthropic-ratelimit-requests-limit`, `-remaining`, `-reset` (a
time), and tokens as a whole or for input and output apart, of which the tighter counts.

Does not catch: limits by the day, of which a provider shows only what is left.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
ANTHROPIC_TOKENS = ("tokens", "input-tokens", "output-tokens")


@dataclass(frozen=True)
class Window:
    """Of a limit: how many a minute, and the share that is left, from 0 to 1."""

    per_minute: float
    left: float


@dataclass(frozen=True)
class Learnt:
    requests: Window | None = None
    tokens: Window | None = None


def learn(headers: Mapping[str, str], *, now: datetime | None = None) -> Learnt:
    """`headers` has names in lower case, or does not mind."""
    now = now or datetime.now(UTC)
    openai = {
        kind: _window(headers, *(f"x-ratelimit-{part}-{kind}" for part in ("limit", "remaining", "reset")), now=now)
        for kind in ("requests", "tokens")
    }
    if any(openai.values()):
        return Learnt(openai["requests"], openai["tokens"])
    named = {
        kind: _window(
            headers, *(f"anthropic-ratelimit-{kind}-{part}" for part in ("limit", "remaining", "reset")), now=now
        )
        for kind in ("requests", *ANTHROPIC_TOKENS)
    }
    tokens = [window for kind in ANTHROPIC_TOKENS if (window := named[kind]) is not None]
    return Learnt(named["requests"], min(tokens, key=lambda each: each.left * each.per_minute, default=None))


def seconds(text: str, now: datetime) -> float | None:
    """`6m0s`, `20ms`, `12`, or a time in ISO 8601; None for anything else."""
    text = text.strip()
    if re.fullmatch(r"\d+(?:\.\d+)?", text):
        return float(text)
    if text and re.fullmatch(f"(?:{PART.pattern})+", text):
        return sum(float(number) * UNITS[unit] for number, unit in PART.findall(text))
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return None
    return max(0.0, (when - now).total_seconds()) if when.tzinfo else None


def _window(headers: Mapping[str, str], limit: str, remaining: str, reset: str, *, now: datetime) -> Window | None:
    """A bucket that takes longer than a minute to fill is of a longer limit: its rate is then what
    it gains until the reset."""
    most, left = _number(headers.get(limit, "")), _number(headers.get(remaining, ""))
    if not most or left is None:
        return None
    until_full = seconds(headers.get(reset, ""), now) or 0.0
    used = max(most - left, 0.0)
    per_minute = used * 60 / until_full if until_full > 60 and used else most
    return Window(per_minute, min(left / most, 1.0))


def _number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"\s*\d{1,12}\s*", text) else None
