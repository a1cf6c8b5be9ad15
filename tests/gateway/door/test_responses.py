"""Responses, asked by the unmodified SDK."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai import APIError, BadRequestError
from pydantic import BaseModel

from tests.contracts.cases import TOOL
from tests.gateway.door.conftest import LUNA, Door
from tests.servers import openai_server
from tests.servers.wire import Script

SAID = Script(openai_server.responses(["Thirty ", "days."]), pause=0.1)
LOOK_UP: Any = {
    "type": "function",
    "name": "look_up",
    "description": "Finds an order.",
    "parameters": {"type": "object", "properties": {"order": {"type": "integer"}}, "required": ["order"]},
    "strict": False,
}


async def test_a_response_is_answered(door: Door, behind: Any) -> None:
    server = await behind(SAID)
    response = await door.openai.responses.create(model=LUNA, instructions="Be brief.", input="How long?")
    assert (response.status, response.output_text) == ("completed", "Thirty days.")
    assert response.usage is not None
    assert response.usage.input_tokens_details.cached_tokens == 16
    assert response.usage.output_tokens_details.reasoning_tokens == 3
    assert (server.requests[0].body["instructions"], response.instructions) == ("Be brief.", "Be brief.")


async def test_a_response_is_streamed_in_the_order_of_its_api(door: Door, behind: Any) -> None:
    await behind(SAID)
    async with door.openai.responses.stream(model=LUNA, input="How long?") as stream:
        events = [event async for event in stream]
        final = await stream.get_final_response()
    kinds = [event.type for event in events]
    assert kinds[:4] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
    ]
    assert kinds[-4:] == [
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert set(kinds[4:-4]) == {"response.output_text.delta"}
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert final.output_text == "Thirty days."
    assert final.usage is not None
    assert final.usage.total_tokens == 51


async def test_a_call_to_a_tool_goes_round(door: Door, behind: Any) -> None:
    server = await behind([Script(openai_server.responses(["Let me see."], tool=TOOL), pause=0.1), SAID])
    async with door.openai.responses.stream(model=LUNA, input="Where is order 7?", tools=[LOOK_UP]) as stream:
        async for _event in stream:
            pass
        first = await stream.get_final_response()
    assert [item.type for item in first.output] == ["message", "function_call"]
    call: Any = first.output[1]
    assert (call.name, json.loads(call.arguments)) == ("look_up", {"order": 7})
    items: Any = [
        {"role": "user", "content": "Where is order 7?"},
        *[item.model_dump(exclude_none=True, exclude={"parsed_arguments"}) for item in first.output],
        {"type": "function_call_output", "call_id": call.call_id, "output": "shipped"},
    ]
    items[1]["content"] = [{"type": "output_text", "text": "Let me see.", "annotations": []}]
    second = await door.openai.responses.create(model=LUNA, input=items, tools=[LOOK_UP])
    assert second.output_text == "Thirty days."
    assert [item.get("type", "message") for item in server.requests[1].body["input"]] == [
        "message",
        "message",
        "function_call",
        "function_call_output",
    ]


class Days(BaseModel):
    days: int


async def test_an_answer_is_parsed_by_the_schema_of_a_class(door: Door, behind: Any) -> None:
    await behind(Script(openai_server.responses(['{"days": 30}'])))
    response = await door.openai.responses.parse(model=LUNA, input="How long?", text_format=Days)
    assert response.output_parsed == Days(days=30)


async def test_an_answer_that_was_cut_is_incomplete(door: Door, behind: Any) -> None:
    await behind(Script(openai_server.responses(["Thir"], status="incomplete", why="max_output_tokens")))
    response = await door.openai.responses.create(model=LUNA, input="How long?", max_output_tokens=16)
    assert response.status == "incomplete"
    assert response.incomplete_details is not None
    assert response.incomplete_details.reason == "max_output_tokens"


@pytest.mark.threat("V3", "V4")
async def test_a_stream_that_breaks_upstream_fails_and_never_completes(door: Door, behind: Any) -> None:
    whole = openai_server.responses(["Thirty ", "days."])
    await behind(Script(whole, cut=sum(map(len, whole[:4])), pause=0.1), answer_models=(LUNA,))
    seen = []
    with pytest.raises(APIError) as caught:
        async for event in await door.openai.responses.create(model=LUNA, input="How long?", stream=True):
            seen.append(event.type)
    assert caught.value.code == "stream_broken"
    assert "response.completed" not in seen
    assert seen[-1] == "response.failed"


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"background": True}, "background"),
        ({"reasoning": {"effort": "high"}}, "reasoning"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input[0].type"),
    ],
)
async def test_what_cannot_be_done_is_refused_by_name(door: Door, behind: Any, given: Any, param: str) -> None:
    await behind(SAID)
    with pytest.raises(BadRequestError) as caught:
        await door.openai.responses.create(**{"model": LUNA, "input": "How long?", **given})
    assert caught.value.param == param
