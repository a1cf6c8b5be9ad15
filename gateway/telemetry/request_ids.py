"""One id for all that is done for one request: the door's answer, the calls to models, the tasks that a
worker does later. Every line of the log carries it."""

from __future__ import annotations

import re
import uuid
from contextvars import ContextVar, Token

HEADER = "x-request-id"
WELL_FORMED = re.compile(r"[A-Za-z0-9._-]{8,64}")

_current: ContextVar[str] = ContextVar("citedesk_request_id", default="")


def current() -> str:
    """Empty outside of any request and task."""
    return _current.get()


def begin(given: str = "") -> Token[str]:
    """From here on in this context. An id that comes from outside and is not well-formed is not taken."""
    return _current.set(given if WELL_FORMED.fullmatch(given) else f"req_{uuid.uuid4().hex}")


def end(token: Token[str]) -> None:
    _current.reset(token)
