"""The same Idempotency-Key: one effect, and the saved answer."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import openai
import pytest
from django.utils import timezone

from accounts.tenancy import in_database, tenant_scope
from gateway.audit.erasure import erase
from gateway.door import replies
from gateway.models import SavedAnswer
from tests.contracts.cases import TOOL
from tests.gateway.door.conftest import LUNA, Door
from tests.servers import anthropic_server, openai_server
from tests.servers.wire import Script, failure

ASKED: Any = [{"role": "user", "content": "How long?"}]
SAID = Script(openai_server.responses(["Thirty ", "days."], tool=TOOL))
KEY = {"Idempotency-Key": "order-7"}


async def ask(door: Door, question: str = "How long?", **more: Any) -> Any:
    asked: Any = [{"role": "user", "content": question}]
    return await door.openai.chat.completions.create(model=LUNA, messages=asked, extra_headers=KEY, **more)


@pytest.mark.threat("R10")
async def test_a_repeated_request_is_one_call_and_the_same_answer(door: Door, behind: Any) -> None:
    server = await behind(SAID)
    first, second = await ask(door), await ask(door)
    assert first.model_dump() == second.model_dump()
    said = ""
    async for chunk in await ask(door, stream=True):
        said += chunk.choices[0].delta.content or ""
    assert said == "Thirty days."
    assert len(server.requests) == len(await door.records()) == 1


@pytest.mark.threat("R10")
async def test_a_stream_is_said_again_by_the_other_api_of_its_own_alone(door: Door, behind: Any) -> None:
    await behind(Script(anthropic_server.message(["Thirty days."])))
    for _time in range(2):
        async with door.anthropic.messages.stream(
            model="claude-haiku-5-5", max_tokens=9, messages=ASKED, extra_headers=KEY
        ) as stream:
            text = await stream.get_final_text()
        assert text == "Thirty days."
    with pytest.raises(openai.ConflictError) as caught:
        await ask(door)
    assert caught.value.code == "idempotency_mismatch"


@pytest.mark.threat("R10")
async def test_another_body_under_the_same_key_is_refused(door: Door, behind: Any) -> None:
    server = await behind(SAID)
    await ask(door)
    with pytest.raises(openai.ConflictError) as caught:
        await ask(door, "How short?")
    assert caught.value.code == "idempotency_mismatch"
    assert len(server.requests) == 1


@pytest.mark.threat("R10")
async def test_requests_at_once_are_one_call(door: Door, behind: Any) -> None:
    server = await behind(Script(SAID.pieces, pause=0.1))
    answers = await asyncio.gather(*(ask(door) for _ in range(8)), return_exceptions=True)
    refused = [each for each in answers if isinstance(each, openai.ConflictError)]
    assert len(refused) == 7
    assert {each.code for each in refused} == {"idempotency_in_use"}
    assert {each.response.headers["x-should-retry"] for each in refused} == {"true"}
    assert len(server.requests) == 1


@pytest.mark.threat("R10")
async def test_a_call_that_failed_is_made_again(door: Door, behind: Any) -> None:
    failed = failure(400, openai_server.error("no"))
    server = await behind([failed, SAID], answer_models=(LUNA,))
    with pytest.raises(openai.BadRequestError):
        await ask(door)
    assert (await ask(door)).choices[0].message.content == "Thirty days."
    assert len(server.requests) == 2


@pytest.mark.threat("A4")
async def test_a_saved_answer_is_sealed_and_goes_with_its_person(door: Door, behind: Any) -> None:
    await behind(SAID)
    await ask(door)

    def look() -> bytes:
        with tenant_scope(door.cast.acme.pk):
            body = bytes(SavedAnswer.objects.get().body)
            erase(door.cast.acme.pk, door.cast.adam.pk, by=None)
        return body

    assert b"Thirty" not in await in_database(look)
    with pytest.raises(openai.ConflictError) as caught:
        await ask(door)
    assert caught.value.code == "idempotency_gone"


async def test_a_saved_answer_is_kept_for_a_day(door: Door, behind: Any) -> None:
    await behind(SAID)
    await ask(door)
    now = timezone.now()
    assert await in_database(replies.expire_all, now + timedelta(hours=23)) == 0
    assert await in_database(replies.expire_all, now + timedelta(hours=25)) == 1
