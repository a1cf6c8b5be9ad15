"""What each adapter sends: the same conversation, in the words of its API."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import Any

import pytest

from gateway.abilities import Image, OutputSchema, Safety, Tool, ToolCall, ToolChoice
from gateway.errors import InvalidRequest, Unsupported
from gateway.profiles import completion_profile
from gateway.providers.anthropic import AnthropicProvider
from gateway.providers.aws import AwsAccess
from gateway.providers.azure import azure_provider
from gateway.providers.bedrock import BedrockProvider
from gateway.types import Call, Message, Options
from tests.contracts.cases import ANTHROPIC, BEDROCK, CHAT, GEMINI, KEY, MISTRAL, RESPONSES, WIRE, Case, call
from tests.contracts.test_provider_contract import TEXTS, collect, open_provider
from tests.servers.wire import Script, serving

SCHEMA = {
    "type": "object",
    "properties": {"total": {"type": "integer"}},
    "required": ["total"],
    "additionalProperties": False,
}
TOOL = Tool("look_up", "Finds an order.", {"type": "object", "properties": {"order": {"type": "integer"}}})
PICTURE = Image("image/png", "iVBORw0KGgo=")
TALK = (
    Message("system", "Be brief."),
    Message("user", "Where are they?", images=(PICTURE,)),
    Message(
        "assistant", "", tool_calls=(ToolCall("a", "look_up", '{"order":7}', "seal"), ToolCall("b", "look_up", ""))
    ),
    Message("tool", "shipped", tool_call_id="a"),
    Message("tool", "lost", tool_call_id="b"),
)


async def sent(case: Case, messages: tuple[Message, ...] = (), **options: Any) -> dict[str, Any]:
    """The body of the request for a call."""
    asked = call()
    options = {"max_tokens": 100, **options}
    asked = dataclasses.replace(asked, messages=messages or asked.messages, options=Options(**options))
    async with serving(Script(case.say(TEXTS, "stop"))) as server, open_provider(case, server.url) as provider:
        await collect(provider, asked)
        return server.requests[0].body


async def test_chat_completions_are_sent_calls_and_results_one_by_one() -> None:
    body = await sent(CHAT, TALK, tools=(TOOL,), tool_choice=ToolChoice.REQUIRED)
    system, question, calls, first, second = body["messages"]
    assert system == {"role": "system", "content": "Be brief."}
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    assert question["content"] == [picture, {"type": "text", "text": "Where are they?"}]
    assert calls["content"] is None
    assert calls["tool_calls"][0]["function"] == {"name": "look_up", "arguments": '{"order":7}'}
    assert (first, second["tool_call_id"]) == ({"role": "tool", "tool_call_id": "a", "content": "shipped"}, "b")
    assert body["tools"][0]["function"]["parameters"] == TOOL.parameters
    assert body["tool_choice"] == "required"


async def test_responses_are_sent_calls_and_results_as_items() -> None:
    body = await sent(RESPONSES, TALK, tools=(TOOL,))
    question, first, second, result, lost = body["input"]
    assert question["content"][0] == {"type": "input_image", "image_url": "data:image/png;base64,iVBORw0KGgo="}
    assert first == {"type": "function_call", "call_id": "a", "name": "look_up", "arguments": '{"order":7}'}
    assert second["call_id"] == "b"
    assert result == {"type": "function_call_output", "call_id": "a", "output": "shipped"}
    assert lost["call_id"] == "b"
    assert body["tools"] == [
        {"type": "function", "strict": False, "name": "look_up", "description": "Finds an order.",
         "parameters": TOOL.parameters}
    ]  # fmt: skip


async def test_messages_are_sent_all_results_of_a_turn_together() -> None:
    body = await sent(ANTHROPIC, TALK, tools=(TOOL,), tool_choice=ToolChoice.NONE)
    question, calls, results = body["messages"]
    assert question["content"][0]["source"] == {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}
    assert [each["input"] for each in calls["content"]] == [{"order": 7}, {}]
    assert (results["role"], [each["tool_use_id"] for each in results["content"]]) == ("user", ["a", "b"])
    assert body["tools"][0]["input_schema"] == TOOL.parameters
    assert body["tool_choice"] == {"type": "none"}


async def test_what_will_come_again_is_marked_for_the_cache_and_nothing_else() -> None:
    talk = (
        Message("system", "Policy.", cache=True),
        Message("system", "Today is Monday."),
        Message("user", "Sources: …", cache=True),
        Message("user", "How?"),
    )
    body = await sent(ANTHROPIC, talk)
    assert [("cache_control" in each, each["text"]) for each in body["system"]] == [
        (True, "Policy."),
        (False, "Today is Monday."),
    ]
    (turn,) = body["messages"]
    assert [each.get("cache_control") for each in turn["content"]] == [{"type": "ephemeral"}, None]
    uncached = dataclasses.replace(completion_profile("claude-haiku-5-5"), caching=False)
    case = dataclasses.replace(ANTHROPIC, make=lambda url: AnthropicProvider(uncached, key=KEY, url=url))
    assert "cache_control" not in str(await sent(case, talk))


async def test_a_schema_is_given_to_the_api_where_it_takes_one() -> None:
    output = OutputSchema("bill", SCHEMA)
    chat, responses, messages = [await sent(case, output=output) for case in (CHAT, RESPONSES, ANTHROPIC)]
    assert chat["response_format"]["json_schema"] == {"name": "bill", "schema": SCHEMA, "strict": True}
    assert responses["text"]["format"] == {"type": "json_schema", "name": "bill", "schema": SCHEMA, "strict": True}
    assert messages["output_config"]["format"]["schema"]["required"] == ["total"]
    open_ended = OutputSchema("bill", {"type": "object", "properties": {"total": {}}})
    assert (await sent(CHAT, output=open_ended))["response_format"]["json_schema"]["strict"] is False


async def test_gemini_is_sent_parts_and_results_by_name() -> None:
    body = await sent(GEMINI, TALK, tools=(TOOL,), tool_choice=ToolChoice.REQUIRED, output=OutputSchema("bill", SCHEMA))
    question, calls, results = body["contents"]
    assert body["systemInstruction"]["parts"] == [{"text": "Be brief."}]
    assert question["parts"][0]["inlineData"]["data"] == "iVBORw0KGgo="
    first, second = calls["parts"]
    assert (calls["role"], first["functionCall"]) == ("model", {"id": "a", "name": "look_up", "args": {"order": 7}})
    assert first["thoughtSignature"] == "seal"
    assert "thoughtSignature" not in second
    assert results["parts"][1]["functionResponse"] == {"id": "b", "name": "look_up", "response": {"result": "lost"}}
    assert body["tools"][0]["functionDeclarations"][0]["parameters_json_schema"] == TOOL.parameters
    assert body["toolConfig"] == {"functionCallingConfig": {"mode": "ANY"}}
    assert body["generationConfig"]["responseJsonSchema"] == SCHEMA
    assert body["generationConfig"]["maxOutputTokens"] == 100
    assert "safetySettings" not in body


async def test_gemini_is_told_how_strict_its_filters_are_to_be() -> None:
    for safety, threshold in ((Safety.STRICT, "BLOCK_LOW_AND_ABOVE"), (Safety.RELAXED, "BLOCK_ONLY_HIGH")):
        settings = (await sent(GEMINI, safety=safety))["safetySettings"]
        assert {each["threshold"] for each in settings} == {threshold}
        assert len(settings) == 4


async def test_bedrock_is_sent_blocks_and_results_of_a_turn_together() -> None:
    body = await sent(BEDROCK, TALK, tools=(TOOL,), tool_choice=ToolChoice.REQUIRED)
    question, calls, results = body["messages"]
    assert body["system"] == [{"text": "Be brief."}]
    assert question["content"][0]["image"] == {"format": "png", "source": {"bytes": "iVBORw0KGgo="}}
    assert [each["toolUse"]["input"] for each in calls["content"]] == [{"order": 7}, {}]
    assert results["content"][1]["toolResult"] == {"toolUseId": "b", "content": [{"text": "lost"}]}
    assert body["toolConfig"]["tools"][0]["toolSpec"]["inputSchema"] == {"json": TOOL.parameters}
    assert body["toolConfig"]["toolChoice"] == {"any": {}}
    assert body["inferenceConfig"]["maxTokens"] == 100
    with pytest.raises(Unsupported):
        await sent(BEDROCK, TALK, tools=(TOOL,), tool_choice=ToolChoice.NONE)
    assert "toolConfig" not in await sent(BEDROCK, tools=(TOOL,), tool_choice=ToolChoice.NONE)


async def test_bedrock_is_sent_the_guardrail_the_cache_point_and_the_schema() -> None:
    able = dataclasses.replace(completion_profile("bedrock-nova-2-lite"), json_schema=True)

    def make(url: str) -> BedrockProvider:
        return BedrockProvider(able, access=AwsAccess("eu-central-1", url, "AKIATEST", KEY), guardrail="gr-1:2")

    case = dataclasses.replace(BEDROCK, make=make)
    talk = (Message("system", "Policy.", cache=True), Message("user", "How?"))
    body = await sent(case, talk, output=OutputSchema("bill", SCHEMA))
    assert body["guardrailConfig"] == {"guardrailIdentifier": "gr-1", "guardrailVersion": "2"}
    assert body["system"] == [{"text": "Policy."}, {"cachePoint": {"type": "default"}}]
    named = body["outputConfig"]["textFormat"]["structure"]["jsonSchema"]
    assert (named["name"], json.loads(named["schema"])) == ("bill", SCHEMA)
    with pytest.raises(Unsupported, match="schema"):
        await sent(case, talk, output=OutputSchema("bill", {"type": "object", "properties": {"total": {}}}))


async def test_mistral_is_sent_ids_that_it_takes() -> None:
    body = await sent(MISTRAL, TALK, tools=(TOOL,), tool_choice=ToolChoice.REQUIRED, safety=Safety.STRICT)
    _system, question, calls, first, second = body["messages"]
    assert question["content"][0] == {"type": "image_url", "image_url": "data:image/png;base64,iVBORw0KGgo="}
    ids = [each["id"] for each in calls["tool_calls"]]
    assert [first["tool_call_id"], second["tool_call_id"]] == ids
    assert all(re.fullmatch("[a-zA-Z0-9]{9}", each) for each in ids)
    assert (first["name"], first["content"]) == ("look_up", "shipped")
    assert body["tools"][0]["function"]["parameters"] == TOOL.parameters
    assert (body["tool_choice"], body["safe_prompt"]) == ("any", True)
    schema = (await sent(MISTRAL, output=OutputSchema("bill", SCHEMA)))["response_format"]["json_schema"]
    assert (schema["schema"], schema["strict"]) == (SCHEMA, True)


@pytest.mark.parametrize("case", [ANTHROPIC, GEMINI, BEDROCK], ids=str)
async def test_a_call_whose_arguments_are_no_object_is_not_sent(case: Case) -> None:
    with pytest.raises(InvalidRequest, match="look_up"):
        await sent(case, (Message("assistant", "", tool_calls=(ToolCall("a", "look_up", "[1]"),)),))


async def test_a_plain_question_is_plain_in_every_api() -> None:
    asked: Call = call("How?")
    for case in WIRE:
        async with serving(Script(case.say(TEXTS, "stop"))) as server, open_provider(case, server.url) as provider:
            await collect(provider, asked)
            assert server.requests[0].asked == "How?", case
            assert not {"tools", "tool_choice", "response_format", "text"} & set(server.requests[0].body)


@pytest.mark.parametrize("api", ["responses", "chat"])
async def test_azure_is_openais_api_at_another_address(api: str) -> None:
    said = (RESPONSES if api == "responses" else CHAT).say(TEXTS, "stop")
    async with serving(Script(said)) as server:
        profile = dataclasses.replace(completion_profile("gpt-6-luna"), model="my-luna")
        provider = azure_provider(profile, url=server.url, key="token", api=api)
        await collect(provider, call())
        await provider.aclose()
    assert server.requests[0].headers["authorization"] == "Bearer token"
    assert server.requests[0].body["model"] == "my-luna"
    assert server.requests[0].path == f"/openai/v1/{'responses' if api == 'responses' else 'chat/completions'}"
