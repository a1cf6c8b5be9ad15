"""What a call may want of a model beside text, as values like those of `gateway.types`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

JSON = dict[str, Any]


class ToolChoice(StrEnum):
    """Whether the model may, must or must not call a tool."""

    AUTO = "auto"
    REQUIRED = "required"
    NONE = "none"


class Safety(StrEnum):
    """How soon the provider's own filters hold text back."""

    DEFAULT = "default"  # as the provider has it
    STRICT = "strict"  # sooner
    RELAXED = "relaxed"  # only what is most likely harmful


@dataclass(frozen=True)
class Tool:
    """A function that the model may ask for. `parameters` is the JSON schema of its arguments; where
    it is `strict`, a call whose arguments the schema refuses is an error."""

    name: str
    description: str
    parameters: JSON
    strict: bool = False


@dataclass(frozen=True)
class ToolCall:
    """What the model asks for. `arguments` is the JSON text that it wrote; `signature` is a seal
    of some providers' that has to come back with the call, unread."""

    id: str
    name: str
    arguments: str
    signature: str = ""


@dataclass(frozen=True)
class Image:
    """A picture for the model: `data` is base64, `media_type` such as `image/png`."""

    media_type: str
    data: str


@dataclass(frozen=True)
class OutputSchema:
    """The JSON schema that the whole answer has to satisfy. `name` is letters, digits, - and _."""

    name: str
    schema: JSON
