"""Messages, asked by the unmodified SDK."""

from __future__ import annotations

from typing import Any

import anthropic
import pytest

from tests.contracts.cases import TOOL
from tests.gateway.door.conftest import HAIKU, Door
from tests.servers import anthropic_server
from tests.servers.wire import Script

SAID = Script(anthropic_server.message(["Thirty ", "days."]), pause=0.1)
ASKED: Any = [{"role": "user", "content": "How long?"}]
LOOK_UP: Any = {
    "name": "look_up",
    "description": "Finds an order.",
    "input_schema": {"type": "object", "properties": {"order": {"type": "integer"}}, "required": ["order"]},
}


async def test_a_message_is_answered(door: Door, behind: Any) -> None:
    server = await behind(SAID)
    system: Any = [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}]
    message = await door.anthropic.messages.create(model=HAIKU, max_tokens=100, system=system, messages=ASKED)
    assert (message.content[0].type, message.stop_reason) == ("text", "end_turn")
    assert message.content[0].text == "Thirty days."
    usage = message.usage
    assert (usage.input_tokens, usage.cache_read_input_tokens, usage.cache_creation_input_tokens) == (20, 16, 6)
    assert usage.output_tokens == 9
    assert server.requests[0].body["system"] == system


async def test_a_message_is_streamed_in_the_order_of_its_api(door: Door, behind: Any) -> None:
    await behind(SAID)
    async with door.anthropic.messages.stream(model=HAIKU, max_tokens=100, messages=ASKED) as stream:
        kinds = [event.type async for event in stream]
        final = await stream.get_final_message()
    raw = [kind for kind in kinds if kind != "text"]
    assert raw[:2] == ["message_start", "content_block_start"]
    assert raw[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    assert set(raw[2:-3]) == {"content_block_delta"}
    assert final.content[0].type == "text"
    assert final.content[0].text == "Thirty days."
    assert (final.usage.input_tokens, final.usage.output_tokens) == (20, 9)


async def test_a_call_to_a_tool_goes_round(door: Door, behind: Any) -> None:
    called = Script(anthropic_server.message(["Let me see."], reason="tool_use", tool=TOOL), pause=0.1)
    server = await behind([called, SAID])
    async with door.anthropic.messages.stream(model=HAIKU, max_tokens=100, messages=ASKED, tools=[LOOK_UP]) as stream:
        async for _event in stream:
            pass
        first = await stream.get_final_message()
    assert first.stop_reason == "tool_use"
    call: Any = first.content[1]
    assert (call.type, call.name, call.input) == ("tool_use", "look_up", {"order": 7})
    asked: Any = [
        *ASKED,
        {"role": "assistant", "content": [block.model_dump(exclude_none=True) for block in first.content]},
        {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "gone", "is_error": True}],
        },
    ]
    for block in asked[1]["content"]:
        block.pop("parsed_output", None)
    second = await door.anthropic.messages.create(model=HAIKU, max_tokens=100, messages=asked, tools=[LOOK_UP])
    assert second.content[0].type == "text"
    sent = server.requests[1].body["messages"]
    assert sent[1]["content"][1]["input"] == {"order": 7}
    assert sent[2]["content"] == [{"type": "tool_result", "tool_use_id": call.id, "content": "The tool failed: gone"}]


async def test_a_stop_sequence_is_named(door: Door, behind: Any) -> None:
    await behind(Script(anthropic_server.message(["One. T", "wo. EN", "D three."])))
    message = await door.anthropic.messages.create(
        model=HAIKU, max_tokens=100, messages=ASKED, stop_sequences=["STOP", "END"]
    )
    assert (message.stop_reason, message.stop_sequence) == ("stop_sequence", "END")
    assert message.content[0].type == "text"
    assert message.content[0].text == "One. Two. "


@pytest.mark.threat("V7")
@pytest.mark.parametrize("reason", ["max_tokens", "refusal"])
async def test_why_an_answer_ended_is_told_apart(door: Door, behind: Any, reason: str) -> None:
    await behind(Script(anthropic_server.message(["No."], reason=reason)))
    message = await door.anthropic.messages.create(model=HAIKU, max_tokens=100, messages=ASKED)
    assert message.stop_reason == reason


@pytest.mark.threat("V3", "V4")
async def test_a_stream_that_breaks_upstream_is_an_error_and_never_complete(door: Door, behind: Any) -> None:
    whole = anthropic_server.message(["Thirty ", "days."])
    await behind(Script(whole, cut=sum(map(len, whole[:5])), pause=0.1), answer_models=(HAIKU,))
    seen = []
    with pytest.raises(anthropic.APIStatusError) as caught:
        async for event in await door.anthropic.messages.create(
            model=HAIKU, max_tokens=100, messages=ASKED, stream=True
        ):
            seen.append(event.type)
    assert caught.value.body["error"]["code"] == "stream_broken"  # type: ignore[index]
    assert "message_stop" not in seen


@pytest.mark.parametrize(
    "given",
    [
        {"extra_body": {"top_k": 5}},
        {"thinking": {"type": "enabled", "budget_tokens": 1024}},
        {"tools": [{"type": "web_search_20250305", "name": "web_search"}]},
        {"messages": [{"role": "user", "content": [{"type": "document", "source": {}}]}]},
        {"extra_body": {"nonsense": 1}},
    ],
)
async def test_what_cannot_be_done_is_refused(door: Door, behind: Any, given: Any) -> None:
    server = await behind(SAID)
    with pytest.raises(anthropic.BadRequestError) as caught:
        await door.anthropic.messages.create(**{"model": HAIKU, "max_tokens": 100, "messages": ASKED, **given})
    assert caught.value.type == "invalid_request_error"
    assert server.requests == []
