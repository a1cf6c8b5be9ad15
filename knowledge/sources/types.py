"""What a source's adapter and the engine tell each other. An adapter knows no database."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict

from knowledge.fetching.fetch import Fetched
from knowledge.fetching.policy import FetchPolicy
from knowledge.indexing import Incoming

Cursor = dict[str, Any]  # what JSON can hold; the adapter's own


class SourceSettings(BaseModel):
    """Base of each kind's settings. `grace_hours` is how long an article may be missing before it goes."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    grace_hours: int = 24


class Why(StrEnum):
    UNCHANGED = "unchanged"  # the document we have is still it
    GONE = "gone"  # it is no longer there, or no longer for us
    SKIPPED = "skipped"  # nothing to read: a picture, another page's double, what asks not to be indexed
    FAILED = "failed"  # it could not be had this time; what we have of it stays


@dataclass(frozen=True)
class Waiting:
    """An item that a pass has listed and not dealt with. `held` says that we have its document, which is
    what makes `etag` and `modified` worth sending."""

    item: str
    depth: int = 0
    preferred: bool = False
    etag: str = ""
    modified: str = ""
    held: bool = False


@dataclass(frozen=True)
class Link:
    """An item that was found listed."""

    item: str
    depth: int = 0
    preferred: bool = False


@dataclass(frozen=True)
class Taken:
    """An item's content."""

    item: str
    incoming: Incoming
    etag: str = ""
    modified: str = ""


@dataclass(frozen=True)
class Left:
    """An item without content, and why."""

    item: str
    why: Why
    code: str = ""


@dataclass(frozen=True)
class Step:
    """One piece of a pass, saved as a whole: a worker that dies repeats at most this much. With `done` the
    pass is over, and what it has not listed counts as missing; `relist` lists all that was there before."""

    cursor: Cursor
    taken: Sequence[Taken] = ()
    left: Sequence[Left] = ()
    links: Sequence[Link] = ()
    relist: bool = False
    done: bool = False


@dataclass(frozen=True)
class Work:
    """What a pass has before it: some of the items that wait, and how many it has listed so far."""

    waiting: Sequence[Waiting] = ()
    listed: int = 0


@dataclass(frozen=True)
class Session:
    """What an adapter works with. `get` fetches at the source's pace and raises `FetchError`; `keep` and
    `kept` hold texts for the length of a pass, such as a robots.txt."""

    settings: Any
    secret: str = field(repr=False)
    policy: FetchPolicy
    get: Callable[..., Fetched]
    keep: Callable[[str, str], None]
    kept: Callable[[str], str | None]


class Adapter(Protocol):
    """One kind of source. Without state: everything is in the cursor."""

    @property
    def settings(self) -> type[SourceSettings]: ...

    def begin(self, settings: Any) -> Cursor: ...

    def pace(self, settings: Any) -> float:
        """Seconds between two requests."""
        ...

    def step(self, session: Session, cursor: Cursor, work: Work) -> Step:
        """Raises `SourceError`, `FetchError` or `Wait`."""
        ...


def retry_after(headers: Mapping[str, str], *, default: float) -> float:
    """Seconds that the server asks to wait, between a second and an hour. A date is not read: the
    servers that send one are asked again after the default."""
    text = headers.get("retry-after", "").strip()
    seconds = float(text) if text.isascii() and text.isdigit() and len(text) < 9 else default
    return min(max(seconds, 1.0), 3600.0)
