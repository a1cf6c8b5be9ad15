"""How long a provider asks to be left alone, from the headers of its refusal (V1).

`Retry-After` comes as seconds or as a date (RFC 9110, 10.2.3); OpenAI and Azure also send
`retry-after-ms`. Where neither came, the limits that say "0 remaining" tell when they are full
again: OpenAI's as durations (`6m0s`), Anthropic's as times (RFC 3339). That is longer than a call
needs to wait, so no more than `LONGEST_GUESS` is taken from it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime

LONGEST_GUESS = 5.0  # seconds
NUMBER = re.compile(r"\d{1,9}(?:\.\d{1,9})?")
DURATION = re.compile(r"(?:(\d{1,6})h)?(?:(\d{1,6})m(?!s))?(?:(\d{1,6}(?:\.\d{1,9})?)s)?(?:(\d{1,9}(?:\.\d{1,9})?)ms)?")
LIMITS = {
    "x-ratelimit-remaining-requests": "x-ratelimit-reset-requests",
    "x-ratelimit-remaining-tokens": "x-ratelimit-reset-tokens",
    **{
        f"anthropic-ratelimit-{limit}-remaining": f"anthropic-ratelimit-{limit}-reset"
        for limit in ("requests", "tokens", "input-tokens", "output-tokens")
    },
}


def retry_after(headers: Mapping[str, str], *, now: float | None = None) -> float | None:
    """Seconds, or None when the provider does not say. Times are compared with the provider's own
    clock (`Date`) where it sends it, so a clock of ours that is wrong does no harm (R11)."""
    milliseconds = _number(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return milliseconds / 1000
    value = headers.get("retry-after", "").strip()
    seconds, moment = _number(value), _date(value)
    if seconds is not None:
        return seconds
    if moment is not None:
        return max(0.0, moment - _now(headers, now))
    return _until_full(headers, now)


def _until_full(headers: Mapping[str, str], now: float | None) -> float | None:
    """The longest wait among the limits that are used up."""
    waits = [
        _reset(headers.get(reset, "").strip(), _now(headers, now))
        for left, reset in LIMITS.items()
        if headers.get(left, "").strip() == "0"
    ]
    known = [wait for wait in waits if wait is not None]
    return min(max(known), LONGEST_GUESS) if known else None


def _reset(text: str, now: float) -> float | None:
    try:
        return max(0.0, datetime.fromisoformat(text).timestamp() - now)
    except (ValueError, OverflowError):
        pass
    found = DURATION.fullmatch(text)
    if not text or found is None:
        return None
    hours, minutes, seconds, milliseconds = (float(part or 0) for part in found.groups())
    return hours * 3600 + minutes * 60 + seconds + milliseconds / 1000


def _now(headers: Mapping[str, str], now: float | None) -> float:
    said = _date(headers.get("date", "").strip()) if now is None else now
    return time.time() if said is None else said


def _date(text: str) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError):
        return None


def _number(text: str) -> float | None:
    return float(text) if NUMBER.fullmatch(text.strip()) else None
