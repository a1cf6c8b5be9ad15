"""A gateway in front of a provider is told what a call is for, and what it reports is kept."""

from __future__ import annotations

import dataclasses
import json
from contextlib import aclosing
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from gateway.base import Provider
from gateway.conf import front
from gateway.profiles import completion_profile
from gateway.providers.anthropic import AnthropicProvider
from gateway.providers.compatible import CompatibleProvider
from gateway.providers.fronts import KINDS, Front
from gateway.providers.openai import openai_provider
from gateway.types import Caller, Trace
from tests.contracts.cases import ANTHROPIC, CHAT, COMPATIBLE, KEY, OWN, RESPONSES, Case, call
from tests.servers.wire import Request, Script, serving

LUNA, HAIKU = completion_profile("gpt-6-luna"), completion_profile("claude-haiku-5-5")


def behind(front: Front, case: Case, url: str) -> Provider:
    if case is ANTHROPIC:
        return AnthropicProvider(HAIKU, key=KEY, url=url, front=front)
    if case is COMPATIBLE:
        return CompatibleProvider(OWN, key=KEY, url=f"{url}/v1", front=front)
    return openai_provider(LUNA, key=KEY, url=f"{url}/v1", api="chat" if case is CHAT else "responses", front=front)


async def through(front: Front, case: Case, **answers: str) -> tuple[Request, Trace]:
    """What the gateway was sent, and what the trace says of it."""
    asked = dataclasses.replace(call(), caller=Caller(7, user_label="Ada", purpose="draft\r\nX-Evil: 1 ü"))
    headers = {name.replace("_", "-"): value for name, value in answers.items()}
    trace = Trace()
    async with serving(Script(case.say(("Hi",), "stop"), headers=headers)) as server:
        provider = behind(front, case, server.url)
        async with aclosing(provider.stream(asked, trace)) as events:
            assert [event async for event in events]
        await provider.aclose()
        return server.requests[0], trace


@pytest.mark.parametrize("case", [CHAT, RESPONSES, ANTHROPIC, COMPATIBLE], ids=str)
@pytest.mark.parametrize("name", KINDS)
async def test_it_gets_its_key_beside_the_providers_and_knows_what_a_call_is_for(name: str, case: Case) -> None:
    request, _trace = await through(Front(name, "gateway-key", (("x-portkey-provider", "openai"),)), case)
    kind = KINDS[name]
    assert request.headers[kind.key] == f"{kind.scheme}gateway-key"
    assert request.headers["x-portkey-provider"] == "openai"
    assert KEY in request.headers.get("authorization", "") + request.headers.get("x-api-key", "")
    said: dict[str, Any] = (
        {part: request.headers[f"{kind.metadata}{part}"] for part in ("tenant", "purpose", "call")}
        if kind.each
        else json.loads(request.headers[kind.metadata])
    )
    assert (said["tenant"], said["purpose"]) == ("7", "draftX-Evil: 1")
    assert "x-evil" not in request.headers
    assert "Ada" not in str(request.headers), "nobody's name is told"


async def test_what_it_reports_is_kept_beside_our_own_count() -> None:
    front = Front("litellm", "gateway-key")
    _request, trace = await through(front, CHAT, x_litellm_response_cost="0.00042", x_litellm_call_id="abc")
    assert trace.gateways == [{"gateway": "litellm", "id": "abc", "cost": "0.00042"}]


@pytest.mark.parametrize("cost", ["", "free", "-1", "NaN", "1e999999"])
async def test_a_cost_that_is_no_amount_is_not_kept(cost: str) -> None:
    _request, trace = await through(Front("litellm"), CHAT, x_litellm_response_cost=cost)
    assert "cost" not in trace.gateways[0]


async def test_without_one_nothing_is_added() -> None:
    request, trace = await through(Front(), CHAT)
    assert not [name for name in request.headers if name.startswith(("x-litellm", "x-portkey", "cf-aig", "helicone"))]
    assert trace.gateways == []


@pytest.mark.threat("T12")
def test_its_key_shows_nowhere() -> None:
    assert "gateway-key" not in repr(Front("portkey", "gateway-key", (("x-portkey-config", "gateway-key"),)))


@pytest.mark.parametrize(
    ("name", "key", "headers", "says"),
    [("kong", "k", "", "not one of"), ("", "k", "", "must name"), ("portkey", "k", "[1]", "JSON object")],
)
def test_a_gateway_that_is_set_up_wrongly_stops_the_start(name: str, key: str, headers: str, says: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=says):
        front(name, key, headers)
