"""Vectors, and the list of models, as the SDKs ask for them."""

from __future__ import annotations

from typing import Any

import httpx2
import openai
import pytest

from accounts.tenancy import in_database
from tests.gateway.door.conftest import HAIKU, LUNA, Door, clients, issued
from tests.servers import openai_server
from tests.servers.wire import Script

SAID = Script(openai_server.responses(["Yes."]))


async def test_texts_become_vectors_that_are_booked_and_on_the_record(door: Door) -> None:
    raw = await door.openai.embeddings.with_raw_response.create(model="citedesk/embed", input=["a lamp", "a shade"])
    reply = raw.parse()
    assert [len(each.embedding) for each in reply.data] == [384, 384]
    assert abs(sum(x * x for x in reply.data[0].embedding) - 1) < 0.01
    plain = await door.openai.embeddings.create(
        model="all-MiniLM-L6-v2", input="a lamp", encoding_format="float", dimensions=384
    )
    assert plain.data[0].embedding == pytest.approx(reply.data[0].embedding, abs=1e-6)
    record = await door.record(raw.headers["x-citedesk-audit-id"])
    assert (record.kind, record.purpose, record.inputs) == ("embedding", "crm", 2)
    assert reply.usage.prompt_tokens == record.input_tokens > 0


@pytest.mark.threat("R10")
async def test_the_same_texts_under_one_key_are_one_call(door: Door) -> None:
    asked: Any = {"model": "citedesk/embed", "input": "a lamp", "extra_headers": {"Idempotency-Key": "1"}}
    first, second = [await door.openai.embeddings.create(**asked) for _ in range(2)]
    assert first.data[0].embedding == second.data[0].embedding
    assert len(await door.records()) == 1


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ({"dimensions": 5}, "dimensions"),
        ({"input": [[1, 2]]}, "input"),
        ({"input": []}, "input"),
        ({"input": ""}, "input"),
    ],
)
async def test_what_cannot_be_embedded_is_refused(door: Door, given: Any, param: str) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await door.openai.embeddings.create(**{"model": "citedesk/embed", "input": "a lamp", **given})
    assert caught.value.param == param


async def test_a_model_that_writes_does_not_embed(door: Door, behind: Any) -> None:
    await behind(SAID)
    for name in (LUNA, "citedesk/answer", "text-embedding-3-large"):
        with pytest.raises(openai.NotFoundError):
            await door.openai.embeddings.create(model=name, input="a lamp")


async def test_the_models_are_those_of_the_settings(door: Door, behind: Any) -> None:
    await behind(SAID, answer_models=(LUNA, "extractive"))
    names = [model.id async for model in door.openai.models.list()]
    assert {"citedesk/answer", "citedesk/embed", LUNA, "all-MiniLM-L6-v2"} <= set(names)
    assert not {HAIKU, "extractive"} & set(names)
    assert [model.id async for model in door.anthropic.models.list()] == names
    assert (await door.openai.models.retrieve("citedesk/answer")).owned_by == "citedesk"
    assert (await door.anthropic.models.retrieve(LUNA)).id == LUNA
    with pytest.raises(openai.NotFoundError):
        await door.openai.models.retrieve(HAIKU)


async def test_a_key_with_models_of_its_own_has_those_alone(door: Door, behind: Any) -> None:
    await behind(SAID, answer_models=(LUNA,))
    _key, text = await in_database(lambda: issued(door.cast.acme, door.cast.adam, allowed_models=[LUNA, "gone"]))
    async with clients(door.site, text) as (client, _other):
        assert [model.id async for model in client.models.list()] == [LUNA]
        assert await client.responses.create(model=LUNA, input="?")
        for name in ("citedesk/answer", HAIKU):
            with pytest.raises(openai.NotFoundError):
                await client.responses.create(model=name, input="?")


async def test_other_addresses_and_methods_have_the_shape_of_an_error(door: Door) -> None:
    headers = {"Authorization": f"Bearer {door.key}"}
    async with httpx2.AsyncClient(headers=headers) as client:
        missing = await client.get(f"{door.site}/v1/files")
        wrong = await client.get(f"{door.site}/v1/messages", headers={"anthropic-version": "2023-06-01"})
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "not_found")
    assert (wrong.status_code, wrong.json()["type"]) == (405, "error")


async def test_a_session_opens_nothing_here(door: Door) -> None:
    """Cookies are of browsers: a page of somebody else's could send them along."""
    async with httpx2.AsyncClient() as client:
        answer = await client.get(f"{door.site}/v1/models", headers={"Cookie": "sessionid=x"})
    assert answer.status_code == 401
