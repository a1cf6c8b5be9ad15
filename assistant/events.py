"""What a client sees of an answer in the making: typed, numbered, versioned.

On the wire each is one JSON object `{"v": 1, "n": number, "type": …, …}`; SSE carries the same
object as `data` with `id: n` and `event: type`. Numbers start at 1 and have no gaps, so a client
that lost its connection asks for all after N. After `final` or `error` nothing follows.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

VERSION = 1


@dataclass(frozen=True)
class Event:
    type: ClassVar[str] = ""

    def payload(self, number: int) -> dict[str, Any]:
        return {"v": VERSION, "n": number, "type": self.type, **asdict(self)}


@dataclass(frozen=True)
class Accepted(Event):
    """The question is saved and work has begun."""

    type: ClassVar[str] = "accepted"
    conversation: str
    message: str


@dataclass(frozen=True)
class Progress(Event):
    """What is being done, for people: `stage` is a stable code, `detail` has its numbers."""

    type: ClassVar[str] = "progress"
    stage: str
    detail: dict[str, Any]


@dataclass(frozen=True)
class Sources(Event):
    """The passages that the answer may cite: [{source, document, version, title, url, start,
    end, quote, heading}]. `source` is the passage's number in this list, from 1."""

    type: ClassVar[str] = "sources"
    sources: list[dict[str, Any]]


@dataclass(frozen=True)
class Delta(Event):
    """Provisional text to append. Never holds half a marker."""

    type: ClassVar[str] = "delta"
    text: str


@dataclass(frozen=True)
class Citation(Event):
    """The text so far ends with a citation of passage `source`. `marker` is its article's number in
    the answer, as in `final`: articles are numbered in the order in which they are first cited."""

    type: ClassVar[str] = "citation"
    marker: int
    source: int


@dataclass(frozen=True)
class Retract(Event):
    """Throw away all deltas so far: the answer starts anew."""

    type: ClassVar[str] = "retract"
    code: str


@dataclass(frozen=True)
class Final(Event):
    """The checked answer, which replaces the provisional text: the object that `manage.py ask`
    prints, with the ids of conversation and message."""

    type: ClassVar[str] = "final"
    answer: dict[str, Any]


@dataclass(frozen=True)
class Error(Event):
    """It failed: `code` is stable, `detail` a plain sentence, `kept` says what was saved, `answer`
    is the object that `final` would have carried, with status `failed`."""

    type: ClassVar[str] = "error"
    code: str
    detail: str
    retryable: bool = False
    kept: str = ""
    answer: dict[str, Any] = field(default_factory=dict)
