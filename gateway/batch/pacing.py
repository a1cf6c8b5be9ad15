"""When to look again, as pure functions: often at first, because small batches are done in minutes, and
seldom later."""

from __future__ import annotations

import random
from datetime import timedelta

FIRST, LONGEST = timedelta(seconds=20), timedelta(minutes=10)
SHARE = 0.1  # of the time that a batch has taken already
FIRST_TROUBLE, LONGEST_TROUBLE = 15.0, 1800.0  # seconds
GIVEN_UP = timedelta(days=3)  # after which nothing is to be expected of a provider; a batch's window is one day
HOLD = timedelta(days=2)  # for which money is held: a window and a day; renewed while the batch is looked at


def next_look(age: timedelta) -> timedelta:
    """At a batch that its provider has had for `age`."""
    return min(max(age * SHARE, FIRST), LONGEST)


def after_trouble(count: int, retry_after: float | None) -> timedelta:
    """After the provider could not be asked `count` times in a row: longer each time, with jitter, and
    never before it wants to be asked."""
    most = min(FIRST_TROUBLE * 2 ** min(count - 1, 16), LONGEST_TROUBLE)
    return timedelta(seconds=max(random.uniform(most / 2, most), retry_after or 0.0))  # noqa: S311
