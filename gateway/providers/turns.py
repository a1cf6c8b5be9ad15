"""A conversation as the providers want it that keep the system's words apart and take turns.

They know two sides. The result of a tool is the user's, and what one side says in several messages
is one turn, or a second result would come without the call that it answers.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import groupby

from gateway.abilities import ToolCall
from gateway.errors import InvalidRequest
from gateway.types import JSON, Message


def system_messages(messages: Iterable[Message]) -> list[Message]:
    """The system's words that are not empty."""
    return [message for message in messages if message.role == "system" and message.content.strip()]


def turns(messages: Iterable[Message]) -> list[tuple[str, list[Message]]]:
    """The turns as (`user` or `assistant`, messages), without those in which nothing is said."""
    spoken = [message for message in messages if message.role != "system" and _says_something(message)]
    return [(side, list(turn)) for side, turn in groupby(spoken, key=_side)]


def arguments(call: ToolCall) -> JSON:
    """The arguments of a call as an object. Raises `InvalidRequest` where the text is none."""
    try:
        value = json.loads(call.arguments or "{}")
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise InvalidRequest(f"the arguments of the call to {call.name!r} are no JSON object")
    return value


def tool_names(messages: Iterable[Message]) -> dict[str, str]:
    """Which tool each call asked for, by the call's id."""
    return {call.id: call.name for message in messages for call in message.tool_calls}


def _side(message: Message) -> str:
    return "assistant" if message.role == "assistant" else "user"


def _says_something(message: Message) -> bool:
    return bool(message.content.strip() or message.images or message.tool_calls or message.role == "tool")
