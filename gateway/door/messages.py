"""Anthropic's Messages: `POST /v1/messages`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from gateway.abilities import Image, OutputSchema, Tool, ToolCall, ToolChoice
from gateway.door.chat import stops
from gateway.door.messages_writer import MessagesWriter, problem, whole
from gateway.door.reading import Fields
from gateway.door.refusals import invalid, unsupported
from gateway.door.values import Asked, image, image_of_url, tool_name, unsealed
from gateway.types import JSON, Message, Options

__all__ = ["problem", "understood", "whole", "writer"]

CHOICES = {"auto": ToolChoice.AUTO, "any": ToolChoice.REQUIRED, "tool": ToolChoice.REQUIRED, "none": ToolChoice.NONE}
FAILED = "The tool failed: "


def understood(body: JSON) -> Asked:
    """Raises `Refused`."""
    fields = Fields(body)
    model = fields.text("model")
    if "max_tokens" not in fields:
        raise invalid("max_tokens: field required", "max_tokens")
    system = _system(fields.take("system"))
    turns = [m for n, each in enumerate(fields.list("messages")) for m in _turn(Fields(each, f"messages[{n}]"))]
    if not turns:
        raise invalid("messages must hold at least one message.", "messages")
    shown, choice = _tools(fields)
    temperature = fields.number("temperature", low=0, high=1)
    options = Options(
        model=model,
        temperature=1.0 if temperature is None else temperature,
        keep_temperature=temperature not in (None, 1.0),
        stop=stops(fields.take("stop_sequences"), "stop_sequences"),
        max_tokens=fields.whole("max_tokens", 1),
        tools=shown,
        tool_choice=choice,
        output=_output(fields),
    )
    stream, metadata = fields.flag("stream"), fields.object("metadata")
    repository = "" if metadata is None else metadata.text("repository", "")
    fields.ignored("service_tier", "cache_control", "inference_geo")
    _refuse_the_rest(fields)
    return Asked((*system, *turns), options, stream, include_usage=True, repository=repository)


def writer(call_id: str, created: int, asked: Asked) -> MessagesWriter:
    return MessagesWriter(call_id)


def _system(given: Any) -> list[Message]:
    if given is None:
        return []
    if isinstance(given, str):
        return [Message("system", given)]
    if not isinstance(given, list):
        raise invalid("system must be a string or a list of blocks.", "system")
    found = []
    for number, each in enumerate(given):
        block = Fields(each, f"system[{number}]")
        block.only("type", "text")
        text = block.text("text")
        found.append(Message("system", text, cache=_cached(block)))
        block.ignored("citations")
        block.done()
    return found


def _turn(fields: Fields) -> list[Message]:
    """What one side says: the results of tools first, each as a message of its own."""
    role, content, place = fields.text("role"), fields.take("content"), fields.place("content")
    fields.done()
    if role not in {"user", "assistant"}:
        raise invalid(f"{fields.place('role')} must be user or assistant.", fields.place("role"))
    if isinstance(content, str):
        return [Message("user" if role == "user" else "assistant", content)]
    if not isinstance(content, list) or not content:
        raise invalid(f"{place} must be a string or a list of blocks.", place)
    blocks = [Fields(each, f"{place}[{n}]") for n, each in enumerate(content)]
    return _user(blocks) if role == "user" else [_assistant(blocks)]


def _user(blocks: Sequence[Fields]) -> list[Message]:
    results: list[Message] = []
    texts: list[str] = []
    images: list[Image] = []
    cache = False
    for block in blocks:
        kind = block.text("type")
        if kind == "tool_result":
            results.append(_result(block))
            continue
        if kind == "text":
            texts.append(block.text("text"))
            block.ignored("citations")
        elif kind == "image":
            images.append(_picture(block.object("source"), block.place("source")))
        else:
            raise unsupported(f"{block.place('type')}: blocks are text, image and tool_result.", block.place("type"))
        cache = _cached(block) or cache
        block.done()
    said = [Message("user", "\n".join(texts), tuple(images), cache=cache)] if texts or images else []
    return [*results, *said]


def _result(block: Fields) -> Message:
    call_id, _seal = unsealed(block.text("tool_use_id"))
    failed, content = block.flag("is_error"), block.take("content", "")
    texts = [content] if isinstance(content, str) else [_text(each, block) for each in _listed(content, block)]
    cache = _cached(block)
    block.done()
    said = (FAILED if failed else "") + "\n".join(texts)
    return Message("tool", said, tool_call_id=call_id, cache=cache)


def _listed(content: Any, block: Fields) -> list[Any]:
    if not isinstance(content, list):
        raise invalid(f"{block.place('content')} must be a string or a list of blocks.", block.place("content"))
    return content


def _text(value: Any, block: Fields) -> str:
    fields = Fields(value, block.place("content"))
    fields.only("type", "text")
    text = fields.text("text")
    fields.ignored("citations", "cache_control")
    fields.done()
    return text


def _assistant(blocks: Sequence[Fields]) -> Message:
    texts: list[str] = []
    calls: list[ToolCall] = []
    cache = False
    for block in blocks:
        kind = block.text("type")
        if kind == "text":
            texts.append(block.text("text"))
            block.ignored("citations")
        elif kind == "tool_use":
            call_id, seal = unsealed(block.text("id"))
            name = tool_name(block.text("name"), block.place("name"))
            calls.append(ToolCall(call_id, name, json.dumps(block.take("input", {}), ensure_ascii=False), seal))
            block.ignored("caller")
        else:
            raise unsupported(f"{block.place('type')}: blocks are text and tool_use.", block.place("type"))
        cache = _cached(block) or cache
        block.done()
    return Message("assistant", "".join(texts), tool_calls=tuple(calls), cache=cache)


def _picture(source: Fields | None, place: str) -> Image:
    if source is None:
        raise invalid(f"{place} is missing.", place)
    kind = source.text("type")
    if kind == "url":
        return image_of_url(source.take("url"), source.place("url"))
    source_type, data = source.take("media_type"), source.take("data")
    source.done()
    if kind != "base64":
        raise unsupported(f"{place}.type must be base64.", f"{place}.type")
    return image(source_type, data, f"{place}.data")


def _cached(block: Fields) -> bool:
    control = block.object("cache_control")
    if control is None:
        return False
    control.only("type", "ephemeral")
    control.only("ttl", "5m")
    control.done()
    return True


def _tools(fields: Fields) -> tuple[tuple[Tool, ...], ToolChoice]:
    tools = tuple(_tool(Fields(each, f"tools[{n}]")) for n, each in enumerate(fields.list("tools")))
    choice = fields.object("tool_choice")
    if choice is None:
        return tools, ToolChoice.AUTO
    kind = choice.text("type")
    if kind not in CHOICES:
        raise invalid("tool_choice.type must be auto, any, tool or none.", "tool_choice.type")
    if kind == "tool":
        name = choice.text("name")
        tools = tuple(tool for tool in tools if tool.name == name)
        if not tools:
            raise invalid("tool_choice.name is not among the tools.", "tool_choice.name")
    choice.only("disable_parallel_tool_use", False)
    choice.done()
    return tools, CHOICES[kind]


def _tool(fields: Fields) -> Tool:
    fields.only("type", "custom")
    name, description = tool_name(fields.text("name"), fields.place("name")), fields.text("description", "")
    schema, strict = fields.take("input_schema"), fields.flag("strict")
    if not isinstance(schema, dict):
        raise invalid(f"{fields.place('input_schema')} must be a JSON schema.", fields.place("input_schema"))
    fields.ignored("cache_control")  # what is kept is said of messages
    fields.only("defer_loading", False)
    fields.only("eager_input_streaming", False, True)
    fields.done()
    return Tool(name, description, schema, strict)


def _output(fields: Fields) -> OutputSchema | None:
    config = fields.object("output_config")
    wanted = None if config is None else config.object("format")
    if config is not None:
        config.done()
    if wanted is None:
        return None
    wanted.only("type", "json_schema")
    schema = wanted.take("schema")
    wanted.done()
    if not isinstance(schema, dict):
        raise invalid("output_config.format.schema must be a JSON schema.", "output_config.format.schema")
    return OutputSchema("answer", schema)


def _refuse_the_rest(fields: Fields) -> None:
    fields.only("top_p", 1)
    fields.only("thinking", {"type": "disabled"})
    for name in ("top_k", "container", "mcp_servers", "context_management"):
        fields.only(name)
    fields.done()
