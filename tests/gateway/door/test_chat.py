"""Chat Completions, asked by the unmodified SDK."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from openai import APIStatusError, BadRequestError, NotFoundError

from tests.contracts.cases import TOOL
from tests.gateway.door.conftest import HAIKU, LUNA, Door
from tests.servers import anthropic_server, openai_server
from tests.servers.wire import Script

SAID = Script(openai_server.responses(["Thirty ", "days."]))
ASKED: Any = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "How long?"}]
LOOK_UP: Any = {
    "type": "function",
    "function": {
        "name": "look_up",
        "description": "Finds an order.",
        "parameters": {"type": "object", "properties": {"order": {"type": "integer"}}, "required": ["order"]},
    },
}


async def test_a_completion_is_answered_booked_and_on_the_record(door: Door, behind: Any) -> None:
    server = await behind(SAID)
    raw = await door.openai.chat.completions.with_raw_response.create(model=LUNA, messages=ASKED)
    completion = raw.parse()
    assert completion.choices[0].message.content == "Thirty days."
    assert completion.choices[0].finish_reason == "stop"
    assert completion.usage is not None
    assert (completion.usage.prompt_tokens, completion.usage.completion_tokens) == (42, 9)
    assert completion.usage.prompt_tokens_details.cached_tokens == 16  # type: ignore[union-attr]
    assert completion.usage.completion_tokens_details.reasoning_tokens == 3  # type: ignore[union-attr]
    record = await door.record(raw.headers["x-citedesk-audit-id"])
    assert (record.purpose, record.classification, record.model) == ("crm", "personal", LUNA)
    assert float(raw.headers["x-citedesk-cost-usd"]) == float(record.cost) > 0
    assert raw.headers["x-request-id"]
    assert server.requests[0].body["instructions"] == "Be brief."


@pytest.mark.parametrize("include_usage", [True, False])
async def test_a_stream_says_its_usage_where_it_is_asked_for(door: Door, behind: Any, include_usage: bool) -> None:
    await behind(SAID)
    stream = await door.openai.chat.completions.create(
        model=LUNA, messages=ASKED, stream=True, stream_options={"include_usage": include_usage}
    )
    chunks = [chunk async for chunk in stream]
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "Thirty days."
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
    assert [c.usage.prompt_tokens for c in chunks if c.usage] == ([42] if include_usage else [])
    record = await door.record(stream.response.headers["x-citedesk-audit-id"])
    assert record.finish_reason == "stop"


async def test_a_call_to_a_tool_goes_round(door: Door, behind: Any) -> None:
    server = await behind([Script(openai_server.responses([], tool=TOOL)), SAID])
    asked = [*ASKED]
    first = await door.openai.chat.completions.create(model=LUNA, messages=asked, tools=[LOOK_UP])
    assert first.choices[0].finish_reason == "tool_calls"
    message = first.choices[0].message
    assert message.tool_calls is not None
    call: Any = message.tool_calls[0]
    assert (call.function.name, json.loads(call.function.arguments)) == ("look_up", {"order": 7})
    asked += [message.model_dump(exclude_none=True), {"role": "tool", "tool_call_id": call.id, "content": "shipped"}]
    second = await door.openai.chat.completions.create(model=LUNA, messages=asked, tools=[LOOK_UP])
    assert second.choices[0].message.content == "Thirty days."
    assert server.requests[1].body["input"][-1] == {
        "type": "function_call_output",
        "call_id": call.id,
        "output": "shipped",
    }


async def test_a_call_to_a_tool_is_streamed_in_pieces(door: Door, behind: Any) -> None:
    await behind(Script(openai_server.responses([], tool=TOOL), pause=0.1))
    async with door.openai.chat.completions.stream(model=LUNA, messages=ASKED, tools=[LOOK_UP]) as stream:
        async for _event in stream:
            pass
        final = await stream.get_final_completion()
    assert final.choices[0].message.tool_calls is not None
    assert json.loads(final.choices[0].message.tool_calls[0].function.arguments) == {"order": 7}


async def test_a_tool_of_the_callers_choice_is_the_only_one_shown(door: Door, behind: Any) -> None:
    server = await behind(Script(openai_server.responses([], tool=TOOL)))
    other = {"type": "function", "function": {**LOOK_UP["function"], "name": "refund"}}
    choice: Any = {"type": "function", "function": {"name": "look_up"}}
    await door.openai.chat.completions.create(model=LUNA, messages=ASKED, tools=[LOOK_UP, other], tool_choice=choice)
    sent = server.requests[0].body
    assert ([tool["name"] for tool in sent["tools"]], sent["tool_choice"]) == (["look_up"], "required")


async def test_an_answer_satisfies_the_schema_that_was_asked_for(door: Door, behind: Any) -> None:
    await behind(
        [Script(openai_server.responses(['{"days": 30}'])), Script(openai_server.responses(['{"days": "x"}']))]
    )
    schema = {"type": "object", "properties": {"days": {"type": "integer"}}, "required": ["days"]}
    wanted: Any = {"type": "json_schema", "json_schema": {"name": "days", "schema": schema}}
    answer = await door.openai.chat.completions.create(model=LUNA, messages=ASKED, response_format=wanted)
    assert json.loads(answer.choices[0].message.content or "") == {"days": 30}
    with pytest.raises(APIStatusError) as caught:
        await door.openai.chat.completions.create(model=LUNA, messages=ASKED, response_format=wanted)
    assert (caught.value.status_code, caught.value.code) == (502, "invalid_output")


async def test_a_strict_tool_is_never_called_against_its_schema(door: Door, behind: Any) -> None:
    await behind(Script(openai_server.responses([], tool=("look_up", ('{"order": "seven"}',)))))
    strict = {"type": "function", "function": {**LOOK_UP["function"], "strict": True}}
    with pytest.raises(APIStatusError) as caught:
        await door.openai.chat.completions.create(model=LUNA, messages=ASKED, tools=[strict])
    assert caught.value.code == "invalid_output"


async def test_an_answer_ends_before_the_stop_sequence(door: Door, behind: Any) -> None:
    server = await behind(Script(openai_server.responses(["One. T", "wo. EN", "D three."]), stall=5))
    answer = await door.openai.chat.completions.create(model=LUNA, messages=ASKED, stop=["END"])
    assert answer.choices[0].message.content == "One. Two. "
    assert answer.choices[0].finish_reason == "stop"
    await asyncio.wait_for(server.gone.wait(), 1)
    assert [record.usage_estimated for record in await door.records()] == [True]


async def test_pictures_come_within_the_request_or_not_at_all(door: Door, behind: Any) -> None:
    server = await behind(SAID)

    def asked(url: str) -> Any:
        return [
            {
                "role": "user",
                "content": [{"type": "text", "text": "?"}, {"type": "image_url", "image_url": {"url": url}}],
            }
        ]

    await door.openai.chat.completions.create(model=LUNA, messages=asked("data:image/png;base64,aGk="))
    assert server.requests[0].body["input"][0]["content"][0]["image_url"] == "data:image/png;base64,aGk="
    with pytest.raises(BadRequestError) as caught:
        await door.openai.chat.completions.create(model=LUNA, messages=asked("https://example.com/x.png"))
    assert caught.value.param == "messages[0].content[1].image_url.url"


async def test_a_task_is_routed_to_the_model_that_is_set_for_it(door: Door, behind: Any) -> None:
    await behind(Script(anthropic_server.message(["Thirty days."])), answer_models=(HAIKU,))
    answer = await door.openai.chat.completions.create(model="citedesk/answer", messages=ASKED)
    assert (answer.model, answer.choices[0].message.content) == (HAIKU, "Thirty days.")


async def test_a_model_that_is_unknown_or_not_for_the_key_is_not_found(door: Door, behind: Any) -> None:
    await behind(SAID, answer_models=(LUNA,))
    for name in ("gpt-nothing", HAIKU, "extractive", "citedesk/nothing"):
        with pytest.raises(NotFoundError) as caught:
            await door.openai.chat.completions.create(model=name, messages=ASKED)
        assert caught.value.code == "unknown_model"


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ({"n": 2}, "n"),
        ({"seed": 7}, "seed"),
        ({"top_p": 0.5}, "top_p"),
        ({"logprobs": True}, "logprobs"),
        ({"reasoning_effort": "high"}, "reasoning_effort"),
        ({"extra_body": {"nonsense": 1}}, "nonsense"),
        ({"temperature": 3}, "temperature"),
        ({"parallel_tool_calls": False}, "parallel_tool_calls"),
        (
            {"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}]},
            "messages[0].content[0].type",
        ),
    ],
)
async def test_what_cannot_be_done_is_refused_by_name(door: Door, behind: Any, given: Any, param: str) -> None:
    server = await behind(SAID)
    with pytest.raises(BadRequestError) as caught:
        await door.openai.chat.completions.create(**{"model": LUNA, "messages": ASKED, **given})
    assert caught.value.param == param
    assert server.requests == []


async def test_a_temperature_is_refused_where_the_model_takes_none(door: Door, behind: Any) -> None:
    await behind(SAID)
    assert await door.openai.chat.completions.create(model=LUNA, messages=ASKED, temperature=1)
    with pytest.raises(BadRequestError) as caught:
        await door.openai.chat.completions.create(model=LUNA, messages=ASKED, temperature=0.2)
    assert caught.value.code == "unsupported"
