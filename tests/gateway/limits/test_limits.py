"""Limits where a call meets them: at the gateway's entrance, and at the provider's key."""

from __future__ import annotations

import asyncio
import dataclasses
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings

from gateway import client
from gateway.errors import LimitExceeded, RateLimited
from gateway.limits.rates import Rates
from gateway.limits.wrappers import Limited
from gateway.profiles import completion_profile
from gateway.providers.openai_chat import OpenAIChatProvider
from gateway.types import Call, Caller, Message, Options, TextDelta, Trace
from tests.conftest import Cast
from tests.gateway.test_client import DONE, FREE, PAID, Play, Scripted, ask, books, caller, play, records
from tests.servers.openai_server import chat
from tests.servers.redis_server import RedisServer
from tests.servers.wire import Script, serving

__all__ = ["caller", "play"]

Configure = Callable[..., None]


@pytest.fixture
def configure(play: Play, monkeypatch: pytest.MonkeyPatch) -> Configure:
    def change(**fields: Any) -> None:
        monkeypatch.setattr(settings, "GATEWAY", dataclasses.replace(settings.GATEWAY, limit_wait=2.0, **fields))

    return change


async def outcomes(*callers: Caller, calls: int = 1) -> list[str]:
    """What became of each call: its text, or the code of its error."""

    async def one(each: Caller) -> str:
        try:
            return (await client.complete(ask(each))).text
        except LimitExceeded as error:
            assert error.retry_after > 0
            return error.code

    return list(await asyncio.gather(*(one(each) for each in callers for _ in range(calls))))


@pytest.mark.parametrize("shared", ["postgres", "redis"])
async def test_a_user_who_asks_too_much_is_told_when_to_come_back_and_others_are_not(
    cast: Cast, caller: Caller, play: Play, configure: Configure, redis_server: RedisServer, shared: str
) -> None:
    provider = Scripted(PAID, (TextDelta("x"), *DONE))
    play(provider)
    url = redis_server.url if shared == "redis" else ""
    configure(user_rates=Rates(requests=5), redis_url=url)
    assert sorted(await outcomes(caller, calls=8)) == ["limit_exceeded"] * 3 + ["x"] * 5
    assert await outcomes(dataclasses.replace(caller, user_id=cast.adam.pk)) == ["x"]
    assert await outcomes(dataclasses.replace(caller, api_key_id=str(uuid.uuid4()))) == ["x"], "a key is counted apart"
    assert provider.calls == 7
    refused = [record for record in await records(caller) if record.error_code == "limit_exceeded"]
    assert len(refused) == 3, "refusals are on record"
    assert (await books(caller))[0] == 0


async def test_one_tenant_at_its_limit_leaves_another_alone(
    cast: Cast, caller: Caller, play: Play, configure: Configure
) -> None:
    play(Scripted(PAID, (TextDelta("x"), *DONE)))
    configure(tenant_rates=Rates(requests=3))
    assert sorted(await outcomes(caller, calls=4)) == ["limit_exceeded", "x", "x", "x"]
    assert await outcomes(Caller(tenant_id=cast.mallory_co.pk)) == ["x"]


async def test_tokens_are_counted_by_what_was_used(caller: Caller, play: Play, configure: Configure) -> None:
    play(Scripted(PAID, (TextDelta("x"), *DONE)))
    configure(tenant_rates=Rates(tokens=200))  # a call is thought to take 110, and takes 12
    assert [await outcomes(caller) for _ in range(6)] == [["x"]] * 6


@pytest.mark.threat("V1")
async def test_a_key_that_has_to_wait_is_passed_over_for_the_next_model(
    caller: Caller, play: Play, configure: Configure
) -> None:
    busy = Scripted(PAID, (RateLimited("slow down", retry_after=30),))
    play(busy, Scripted(dataclasses.replace(FREE, model="free-1"), (TextDelta("quoted"), *DONE)))
    configure()
    assert [await outcomes(caller) for _ in range(3)] == [["quoted"]] * 3
    assert busy.calls == 1, "nobody asks before the provider said"


async def test_limits_are_learnt_from_the_headers_of_a_real_answer(caller: Caller, configure: Configure) -> None:
    configure(openai_key="sk-test")
    headers = {"x-ratelimit-limit-requests": "3", "x-ratelimit-remaining-requests": "2"}
    answer = Script(chat(["hello"]), headers={**headers, "x-ratelimit-reset-requests": "20s"})
    async with serving(answer) as server:
        limited = Limited(OpenAIChatProvider(completion_profile("gpt-6-luna"), key="sk-test", url=f"{server.url}/v1"))
        results = [await _said(limited, caller) for _ in range(5)]
    assert results == ["hello", "hello", "hello", "limit_exceeded", "limit_exceeded"]
    assert len(server.requests) == 3


async def _said(limited: Limited, caller: Caller) -> str:
    call = Call(caller, (Message("user", "Hi"),), Options(max_tokens=20))
    try:
        return "".join([event.text async for event in limited.stream(call, Trace()) if isinstance(event, TextDelta)])
    except LimitExceeded as error:
        assert error.fallback
        return error.code
