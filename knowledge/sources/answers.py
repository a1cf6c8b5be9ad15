"""What a server's status means to a source."""

from __future__ import annotations

import json
from typing import Any

from knowledge.fetching.fetch import Fetched
from knowledge.sources.errors import SourceNotFound, SourceRefused, SourceUnavailable, SourceUnreadable, Wait
from knowledge.sources.types import retry_after


def good(fetched: Fetched) -> Fetched:
    """The answer, if it is one. Raises `SourceError`, or `Wait` where the server asks for it."""
    status, where = fetched.status, str(fetched.target)
    if status == 429 or (status == 503 and "retry-after" in fetched.headers):
        raise Wait(retry_after(fetched.headers, default=60.0))
    if status in (401, 403):
        raise SourceRefused(f"{where} answers {status}")
    if status in (404, 410):
        raise SourceNotFound(f"{where} answers {status}")
    if not fetched.ok:
        raise SourceUnavailable(f"{where} answers {status}")
    return fetched


def read_json(fetched: Fetched) -> dict[str, Any]:
    """The object that the answer is. Raises as `good`, and `SourceUnreadable`."""
    try:
        found = json.loads(good(fetched).body)
    except (ValueError, RecursionError) as error:
        raise SourceUnreadable(f"{fetched.target} answers no JSON") from error
    if not isinstance(found, dict):
        raise SourceUnreadable(f"{fetched.target} answers no object")
    return found
