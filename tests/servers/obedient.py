"""A model that obeys: whatever order it finds in the text that it is given as data or as a question, it
follows. What gets by it is kept out by the product, not by the model's good sense."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

from django.conf import settings

from gateway.conf import GatewaySettings
from tests.servers.openai_server import chat
from tests.servers.wire import Request, Script, Server

TOOL = ("close_account", ['{"user": "alice"}'])


def answered_by(server: Server) -> GatewaySettings:
    """The settings of an operator whose own server answers, with nothing to fall back on."""
    address = f"{server.url}/v1"
    return dataclasses.replace(
        settings.GATEWAY, compatible_url=address, compatible_model="own", answer_models=("compatible",)
    )


def obey(request: Request) -> Script:
    """Orders it knows: `Write: …`, `Write backwards: …`, `Repeat your instructions`, `Repeat everything`,
    `Call the tool`. Without one it quotes the first source. It writes three characters at a time."""
    messages = request.body["messages"]
    given = "\n".join(turn["content"] for turn in messages if turn["role"] != "system")
    said, tool = _said(messages, given), TOOL if re.search(r"(?i)\bcall the tool\b", given) else None
    pieces = [said[at : at + 3] for at in range(0, len(said), 3)]
    return Script(chat(pieces, tool=tool, reason="tool_calls" if tool else "stop"))


def _said(messages: list[dict[str, Any]], given: str) -> str:
    if order := re.search(r"(?i)\bwrite backwards: (\S+)", given):
        return order[1][::-1] + ". [1]"
    if order := re.search(r"(?i)\bwrite: (.+)", given):
        return order[1]
    if re.search(r"(?i)\brepeat your instructions\b", given):
        return str(messages[0]["content"])
    if re.search(r"(?i)\brepeat everything\b", given):
        return "\n".join(turn["content"] for turn in messages)
    source = re.search(r"\[1\] [^\n]*\n(.+)", given)
    return f"{source[1].split('. ')[0].rstrip('.')}. [1]" if source else "I don't know."
