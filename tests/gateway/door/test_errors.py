"""Each kind of refusal, as the exception that the SDK has for it."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import anthropic
import openai
import pytest
from django.utils import timezone

from accounts.models import ApiKey
from accounts.tenancy import in_database, tenant_scope
from gateway.limits.rates import Rates
from tests.gateway.door.conftest import HAIKU, LUNA, Door, clients, issued
from tests.servers import anthropic_server, openai_server
from tests.servers.wire import Script, failure

ASKED: Any = [{"role": "user", "content": "How long?"}]
SAID = Script(openai_server.responses(["Thirty days."]))


async def ask_openai(door: Door, **more: Any) -> Any:
    return await door.openai.chat.completions.create(model=LUNA, messages=ASKED, **more)


async def ask_anthropic(door: Door, **more: Any) -> Any:
    return await door.anthropic.messages.create(model=HAIKU, max_tokens=100, messages=ASKED, **more)


UPSTREAM = [
    (400, "invalid_request_error", "bad", openai.BadRequestError, anthropic.BadRequestError, "invalid_request"),
    (400, "context_length_exceeded", "long", openai.BadRequestError, anthropic.BadRequestError, "context_too_long"),
    (
        401,
        "authentication_error",
        "key",
        openai.InternalServerError,
        anthropic.InternalServerError,
        "invalid_credentials",
    ),
    (429, "insufficient_quota", "quota", openai.InternalServerError, anthropic.InternalServerError, "quota_exhausted"),
    (429, "rate_limit_error", "slow", openai.RateLimitError, anthropic.RateLimitError, "rate_limited"),
    (503, "overloaded_error", "busy", openai.InternalServerError, anthropic.APIStatusError, "overloaded"),
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("status", "kind", "said", "of_openai", "of_anthropic", "code"), UPSTREAM)
async def test_an_error_of_the_provider_is_the_sdks_own(
    door: Door,
    behind: Any,
    stream: bool,
    status: int,
    kind: str,
    said: str,
    of_openai: Any,
    of_anthropic: Any,
    code: str,
) -> None:
    waits = {"retry_after": "7"} if status == 429 else {"retry_after": "9"}
    await behind(failure(status, openai_server.error(said, kind=kind, code=kind), **waits), answer_models=(LUNA,))
    with pytest.raises(of_openai) as caught:
        await ask_openai(door, stream=stream)
    assert caught.value.code == code
    assert ("retry-after" in caught.value.response.headers) == (code in {"rate_limited", "overloaded"})
    assert "sk-test" not in str(caught.value)
    await behind(failure(status, anthropic_server.error(said, kind=kind), **waits), answer_models=(HAIKU,))
    with pytest.raises(of_anthropic) as refused:
        await ask_anthropic(door, stream=stream)
    assert refused.value.body["error"]["code"] == code
    assert refused.value.request_id


@pytest.mark.threat("V3", "V4", "V6")
async def test_a_stream_that_breaks_after_its_first_words_is_an_error_and_no_text_comes_twice(
    door: Door, behind: Any
) -> None:
    whole = openai_server.responses(["Thirty ", "days."])
    broken = Script(whole, cut=sum(map(len, whole[:4])), pause=0.2)
    await behind(broken)  # the next model would answer
    said = ""
    with pytest.raises(openai.APIError) as caught:
        async for chunk in await door.openai.chat.completions.create(
            model="citedesk/answer", messages=ASKED, stream=True
        ):
            said += chunk.choices[0].delta.content or ""
            assert chunk.choices[0].finish_reason is None
    assert caught.value.code == "stream_broken"
    assert said == "Thirty "
    assert [record.error_code for record in await door.records()] == ["stream_broken"]


async def test_before_its_first_words_the_next_model_answers(door: Door, behind: Any) -> None:
    def answer(request: Any) -> Script:
        if request.path == "/v1/messages":
            return Script(anthropic_server.message(["Thirty days."]))
        return failure(401, openai_server.error("no", code="invalid_api_key"))

    await behind(answer)
    completion = await door.openai.chat.completions.create(model="citedesk/answer", messages=ASKED)
    assert (completion.model, completion.choices[0].message.content) == (HAIKU, "Thirty days.")


@pytest.mark.threat("B1")
async def test_a_budget_that_is_spent_is_refused_with_402(door: Door, behind: Any) -> None:
    server = await behind(SAID, budget_wait=0.0)
    await door.budget(purpose="crm", limit=Decimal("0.0000001"))
    with pytest.raises(openai.APIStatusError) as caught:
        await ask_openai(door)
    assert (caught.value.status_code, caught.value.code) == (402, "budget_exceeded")
    with pytest.raises(anthropic.APIStatusError) as refused:
        await ask_anthropic(door)
    assert (refused.value.status_code, refused.value.type) == (402, "billing_error")
    assert server.requests == []


async def test_a_budget_of_the_key_is_its_own(door: Door, behind: Any) -> None:
    await behind(SAID, budget_wait=0.0)
    poor, text = await in_database(issued, door.cast.acme, door.cast.adam)
    await door.budget(api_key=poor, limit=Decimal("0.0000001"))
    assert await ask_openai(door)
    async with clients(door.site, text) as (client, _anthropic):
        with pytest.raises(openai.APIStatusError) as caught:
            await client.chat.completions.create(model=LUNA, messages=ASKED)
    assert "API key" in caught.value.message


async def test_a_rate_of_the_key_is_a_429_that_says_when(door: Door, behind: Any) -> None:
    await behind(SAID, user_rates=Rates(1, None), limit_wait=1.0)
    await ask_openai(door)
    with pytest.raises(openai.RateLimitError) as caught:
        await ask_openai(door)
    assert caught.value.code == "limit_exceeded"
    assert int(caught.value.response.headers["retry-after"]) >= 1
    with pytest.raises(anthropic.RateLimitError):
        await ask_anthropic(door)


async def test_without_a_key_one_is_asked_for_it(door: Door, behind: Any) -> None:
    for key in ("nonsense", "cdk_000000000000_nothing", "sk-whatever"):
        async with clients(door.site, key) as (client, other):
            with pytest.raises(openai.AuthenticationError):
                await client.chat.completions.create(model=LUNA, messages=ASKED)
            with pytest.raises(openai.AuthenticationError):
                await client.models.list()
            with pytest.raises(anthropic.AuthenticationError):
                await other.messages.create(model=HAIKU, max_tokens=9, messages=ASKED)


async def test_a_key_without_the_scope_is_refused(door: Door, behind: Any) -> None:
    _key, text = await in_database(lambda: issued(door.cast.acme, door.cast.adam, scopes=["ask"]))
    async with clients(door.site, text) as (client, other):
        with pytest.raises(openai.PermissionDeniedError):
            await client.responses.create(model=LUNA, input="?")
        with pytest.raises(anthropic.PermissionDeniedError):
            await other.messages.create(model=HAIKU, max_tokens=9, messages=ASKED)


@pytest.mark.threat("T5")
async def test_a_revoked_key_is_dead_within_five_seconds_and_so_is_its_stream(door: Door, behind: Any) -> None:
    endless = openai_server.responses(["Thirty "] * 300)
    server = await behind(Script(endless, pause=0.1))
    assert await door.openai.models.list()

    def revoke() -> None:
        with tenant_scope(door.cast.acme.pk):
            ApiKey.objects.update(revoked_at=timezone.now())

    seen = 0
    loop = asyncio.get_running_loop()
    with pytest.raises(openai.APIError) as caught:
        async for _chunk in await ask_openai(door, stream=True):
            seen += 1
            if seen == 3:
                await in_database(revoke)
                revoked_at = loop.time()
    assert caught.value.code == "not_signed_in"
    assert loop.time() - revoked_at < 5
    await asyncio.wait_for(server.gone.wait(), 1)
    with pytest.raises(openai.AuthenticationError):
        await door.openai.models.list()


@pytest.mark.threat("T1")
async def test_another_tenants_key_sees_and_spends_nothing_of_ours(door: Door, behind: Any) -> None:
    await behind(SAID)
    await ask_openai(door)
    _key, text = await in_database(issued, door.cast.mallory_co, door.cast.mallory)
    async with clients(door.site, text) as (client, _other):
        raw = await client.chat.completions.with_raw_response.create(
            model=LUNA, messages=ASKED, extra_headers={"Idempotency-Key": "one"}
        )
    ours = await door.records()
    assert len(ours) == 1
    assert raw.headers["x-citedesk-audit-id"] not in {str(record.pk) for record in ours}


@pytest.mark.threat("T12")
async def test_no_key_stands_in_the_record_or_an_error(door: Door, behind: Any) -> None:
    await behind(failure(401, openai_server.error(f"wrong key {door.key}", code="invalid_api_key")))
    with pytest.raises(openai.InternalServerError) as caught:
        await ask_openai(door)
    assert door.key not in caught.value.response.text
