"""What passes between the dialects and the door: a request as it was understood, an answer to be said."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Any, Protocol

from gateway.abilities import Image, ToolCall
from gateway.door.refusals import Refused, invalid
from gateway.types import JSON, FinishReason, Message, Options, TextDelta, ToolCallDelta, Usage

MOST_TOKENS = 4096  # of output where a request names no limit
MOST_STOPS = 16
IMAGES = ("image/png", "image/jpeg", "image/gif", "image/webp")
SEAL = "~"  # between the id of a tool call and a provider's seal
TOOL_NAME = re.compile(r"[A-Za-z0-9_-]{1,128}")


@dataclass(frozen=True)
class Asked:
    """A request in any dialect. `options.model` is as it was named; `repository` as the metadata says.
    `echo` is what the dialect's answer repeats of the request."""

    messages: tuple[Message, ...]
    options: Options
    stream: bool = False
    include_usage: bool = False
    repository: str = ""
    echo: JSON | None = None


@dataclass(frozen=True)
class Answer:
    """A whole answer. `id` is the audit record's, without hyphens; `cost` is in US dollars."""

    id: str
    created: int
    model: str
    text: str
    tool_calls: tuple[ToolCall, ...]
    usage: Usage
    reason: FinishReason
    stopped_at: str = ""
    cost: str = "0"

    @property
    def pieces(self) -> list[TextDelta | ToolCallDelta]:
        """The answer as if it had been streamed in one go."""
        calls = [ToolCallDelta(n, c.id, c.name, c.arguments, c.signature) for n, c in enumerate(self.tool_calls)]
        return [*([TextDelta(self.text)] if self.text else []), *calls]


class Writer(Protocol):
    """Says one answer as it is written, in server-sent events."""

    def begin(self, model: str) -> bytes: ...
    def say(self, event: TextDelta | ToolCallDelta) -> bytes: ...
    def end(self, answer: Answer) -> bytes: ...
    def broken(self, refused: Refused) -> bytes: ...


class Dialect(Protocol):
    """One API of completions: how it asks, how it is answered."""

    def understood(self, body: JSON) -> Asked: ...
    def whole(self, answer: Answer, asked: Asked) -> JSON: ...
    def writer(self, call_id: str, created: int, asked: Asked) -> Writer: ...
    def problem(self, refused: Refused) -> JSON: ...


def image(media_type: Any, data: Any, place: str) -> Image:
    """Raises `Refused` for what is no picture in base64."""
    if media_type not in IMAGES:
        raise invalid(f"{place}: pictures are {', '.join(IMAGES)}.", place)
    try:
        base64.b64decode(data, validate=True)
    except (TypeError, ValueError, binascii.Error):
        raise invalid(f"{place} is not base64.", place) from None
    return Image(media_type, data)


def image_of_url(url: Any, place: str) -> Image:
    """Nothing is fetched for a request: the picture has to be in it."""
    head, _, data = url.partition(",") if isinstance(url, str) else ("", "", "")
    if not (head.startswith("data:") and head.endswith(";base64")):
        raise invalid(f"{place} must be a data: URL in base64; pictures are not fetched.", place)
    return image(head.removeprefix("data:").removesuffix(";base64"), data, place)


def tool_name(name: str, place: str) -> str:
    if not TOOL_NAME.fullmatch(name):
        raise invalid(f"{place} must be 1 to 128 letters, digits, - or _.", place)
    return name


def sealed_id(call: ToolCall | ToolCallDelta) -> str:
    """The id under which a call leaves. A provider's seal has no place in the dialects: it travels in
    the id, which programs bring back unread."""
    return f"{call.id}{SEAL}{base64.urlsafe_b64encode(call.signature.encode()).decode()}" if call.signature else call.id


def unsealed(call_id: str) -> tuple[str, str]:
    """Id and seal of a call that comes back."""
    own, mark, seal = call_id.rpartition(SEAL)
    if not mark:
        return call_id, ""
    try:
        return own, base64.urlsafe_b64decode(seal.encode()).decode()
    except (ValueError, binascii.Error):
        return call_id, ""
