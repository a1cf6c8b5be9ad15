"""Lets the code around a call read the headers of the answer, whatever SDK made the request.

The HTTP client that the adapters share reports each response to whoever observes in the task that
asked for it. SDKs with a client of their own report nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

Observer = Callable[[Mapping[str, str]], None]

_observer: ContextVar[Observer | None] = ContextVar("citedesk_observer", default=None)


@contextmanager
def observing(note: Observer) -> Iterator[None]:
    """`note` is given the headers of every response that this task gets meanwhile."""
    token = _observer.set(note)
    try:
        yield
    finally:
        _observer.reset(token)


async def report(response: Any) -> None:
    """The HTTP client's hook."""
    note = _observer.get()
    if note is not None:
        note(response.headers)
