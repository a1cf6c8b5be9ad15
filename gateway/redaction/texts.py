"""Every text of a call that leaves with it, or that its audit record keeps.

Not among them: images, and the seals of a provider's own that come back with a tool call.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from gateway.abilities import OutputSchema, Tool, ToolCall
from gateway.types import Call, Message, Options, Source

Change = Callable[[str], str]
SYNTAX = frozenset({"type", "required", "format", "pattern", "$ref", "$schema", "$id"})  # of a JSON schema: no data


def changed(call: Call, change: Change) -> Call:
    """The call with every text of it changed."""
    return replace(
        call,
        messages=tuple(_message(message, change) for message in call.messages),
        options=_options(call.options, change),
        sources=tuple(_source(source, change) for source in call.sources),
        question=change(call.question),
    )


def read_by_provider(call: Call) -> list[str]:
    """The texts that a provider is sent."""
    found: list[str] = []
    changed(replace(call, sources=(), question=""), _noting(found))
    return [each for each in found if each]


def kept_aside(call: Call) -> list[str]:
    """The texts that stand beside the messages: sources and the question."""
    found: list[str] = []
    changed(replace(call, messages=(), options=Options()), _noting(found))
    return [each for each in found if each]


def changed_json(value: Any, change: Change) -> Any:
    """The strings within a JSON value, its keys and a schema's syntax aside."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [changed_json(each, change) for each in value]
    if isinstance(value, dict):
        return {name: each if name in SYNTAX else changed_json(each, change) for name, each in value.items()}
    return value


def changed_arguments(text: str, change: Change) -> str:
    """JSON text that may be broken. It stays letter by letter as it is where nothing in it changes."""
    try:
        before = json.loads(text)
    except ValueError:
        return change(text)
    after = changed_json(before, change)
    return text if after == before else json.dumps(after, ensure_ascii=False)


def _noting(found: list[str]) -> Change:
    def note(text: str) -> str:
        found.append(text)
        return text

    return note


def _message(message: Message, change: Change) -> Message:
    calls = tuple(_tool_call(each, change) for each in message.tool_calls)
    return replace(message, content=change(message.content), tool_calls=calls)


def _tool_call(call: ToolCall, change: Change) -> ToolCall:
    return replace(call, arguments=changed_arguments(call.arguments, change))


def _source(source: Source, change: Change) -> Source:
    return replace(
        source,
        text=change(source.text),
        title=change(source.title),
        url=change(source.url),
        heading=change(source.heading),
    )


def _options(options: Options, change: Change) -> Options:
    tools = tuple(_tool(tool, change) for tool in options.tools)
    output = options.output and OutputSchema(options.output.name, changed_json(options.output.schema, change))
    return replace(options, tools=tools, output=output)


def _tool(tool: Tool, change: Change) -> Tool:
    return replace(tool, description=change(tool.description), parameters=changed_json(tool.parameters, change))
