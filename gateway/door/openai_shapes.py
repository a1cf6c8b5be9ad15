"""What OpenAI's two APIs share: the parts of a message, tools, schemas, and the shape of an error."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gateway.abilities import Image, OutputSchema, Tool, ToolChoice
from gateway.door.reading import Fields
from gateway.door.refusals import Refused, invalid, unsupported
from gateway.door.values import tool_name
from gateway.fitting import ANY_OBJECT
from gateway.types import JSON

ReadPart = Callable[[str, Fields], str | Image | None]

CHOICES = {"auto": ToolChoice.AUTO, "required": ToolChoice.REQUIRED, "none": ToolChoice.NONE}
TYPES = {
    401: "authentication_error",
    402: "insufficient_quota",
    403: "permission_error",
    409: "idempotency_error",
    429: "rate_limit_error",
}


def problem(refused: Refused) -> JSON:
    kind = "server_error" if refused.status >= 500 else TYPES.get(refused.status, "invalid_request_error")
    return {"error": {"message": refused.detail, "type": kind, "param": refused.param, "code": refused.code}}


def function(fields: Fields) -> Tool:
    """A function as both APIs describe it."""
    name = tool_name(fields.text("name"), fields.place("name"))
    description, strict = fields.text("description", ""), fields.flag("strict")
    parameters = fields.take("parameters", {"type": "object", "properties": {}})
    if not isinstance(parameters, dict):
        raise invalid(f"{fields.place('parameters')} must be a JSON schema.", fields.place("parameters"))
    fields.done()
    return Tool(name, description, parameters, strict)


def output_schema(fields: Fields | None) -> OutputSchema | None:
    """`response_format` and `text.format`, whose schema may lie one level deeper."""
    if fields is None:
        return None
    kind = fields.text("type", "text")
    if kind == "text":
        fields.done()
        return None
    if kind == "json_object":
        fields.done()
        return OutputSchema("object", ANY_OBJECT)
    if kind != "json_schema":
        raise unsupported(f"{fields.place('type')} must be text, json_object or json_schema.", fields.place("type"))
    inner = fields.object("json_schema")
    if inner is None:
        inner = fields
    else:
        fields.done()
    name = tool_name(inner.text("name"), inner.place("name"))
    inner.ignored("description", "strict")  # every answer is checked against its schema
    schema = inner.take("schema")
    inner.done()
    if not isinstance(schema, dict):
        raise invalid(f"{inner.place('schema')} must be a JSON schema.", inner.place("schema"))
    return OutputSchema(name, schema)


def chosen(tools: Sequence[Tool], choice: Any) -> tuple[tuple[Tool, ...], ToolChoice]:
    """The tools that the model is shown, and whether it must call one. A choice of one function is
    that function alone and a must."""
    if choice is None or (isinstance(choice, str) and choice in CHOICES):
        return tuple(tools), CHOICES[choice or "auto"] if tools else ToolChoice.AUTO
    fields = Fields(choice, "tool_choice")
    kind = fields.text("type")
    if kind == "function":
        named = [_named(fields)]
        fields.done()
        return _only(tools, named), ToolChoice.REQUIRED
    if kind != "allowed_tools":
        raise unsupported("tool_choice must be auto, none, required, a function or allowed_tools.", "tool_choice")
    inner = fields.object("allowed_tools") or fields
    mode = inner.text("mode")
    if mode not in CHOICES:
        raise invalid("tool_choice.mode must be auto or required.", "tool_choice.mode")
    allowed = [_named(Fields(each, "tool_choice.tools")) for each in inner.list("tools")]
    return _only(tools, allowed), CHOICES[mode]


def _named(fields: Fields) -> str:
    fields.ignored("type")
    inner = fields.object("function")
    return (inner or fields).text("name")


def _only(tools: Sequence[Tool], names: Sequence[str]) -> tuple[Tool, ...]:
    missing = set(names) - {tool.name for tool in tools}
    if missing or not names:
        raise invalid("tool_choice names a function that is not among the tools.", "tool_choice")
    return tuple(tool for tool in tools if tool.name in names)


def parts(content: Any, place: str, read: ReadPart) -> tuple[str, tuple[Image, ...]]:
    """What a message says, in one string or in parts, each of which `read` reads by its type; None is one
    that it does not know."""
    if isinstance(content, str):
        return content, ()
    if not isinstance(content, list) or not content:
        raise invalid(f"{place} must be a string or a list of parts.", place)
    texts: list[str] = []
    images: list[Image] = []
    for number, each in enumerate(content):
        part = Fields(each, f"{place}[{number}]")
        found = read(part.text("type"), part)
        if found is None:
            raise unsupported(f"{part.place('type')}: parts are texts and images.", part.place("type"))
        if isinstance(found, Image):
            images.append(found)
        else:
            texts.append(found)
        part.done()
    return "\n".join(texts), tuple(images)


def text_alone(content: Any, place: str, read: ReadPart) -> str:
    """The same, where pictures have no place."""
    text, images = parts(content, place, read)
    if images:
        raise unsupported(f"{place}: pictures may stand in the user's messages alone.", place)
    return text
