"""What a customer and an agent see when no language model can be reached."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.test import AsyncClient

from accounts.tenancy import in_database, tenant_scope
from assistant.events import Final
from assistant.pipeline.answer import Ask, answer
from assistant.running import Run, owner_of
from gateway import connections, retry
from gateway.audit.verify import verify
from gateway.errors import Overloaded
from gateway.models import AuditRecord
from gateway.profiles import completion_profile
from tests.conftest import PASSWORD, Cast
from tests.contracts.cases import CHAT
from tests.gateway.wired import wired
from tests.servers.wire import Script, failure

QUESTION = "How long do I have to return a lamp?"
ARTICLE = (
    "Returning a lamp",
    "You can return a lamp within 30 days of delivery. Pack it in its box and keep the receipt.",
)
DOWN = failure(503, CHAT.error(503, "service_unavailable", "down"))
QUOTED = "No language model could be reached: these are sentences quoted from the articles."
POINTED = "No language model could be reached. The articles below were found for your question."


@pytest.fixture
def known(learn: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    learn(ARTICLE)
    monkeypatch.setattr(retry, "FIRST_BOUND", 0.01)


async def ask(cast: Cast) -> dict[str, Any]:
    final: dict[str, Any] = {}
    async for event in answer(Ask(QUESTION, await in_database(cast.actor, "alice"))):
        if isinstance(event, Final):
            final = event.answer
    return final


async def page(conversation: str) -> str:
    client = AsyncClient()
    assert await client.alogin(email="alice@example.com", password=PASSWORD)
    response = await client.get(f"/t/acme/c/{conversation}/", follow=True)
    assert response.status_code == 200
    return str(response.content.decode())


def shows(html: str, notice: str) -> bool:
    """Whether the turn, before the template for new ones, shows the notice."""
    turn = html.split('id="turn-template"')[0]
    before = turn[: turn.index(notice)].rsplit("<p" if notice == QUOTED else '<div class="when-pointed', 1)[1]
    return "hidden" not in before.split(">")[0]


@pytest.mark.threat("V9")
async def test_quotes_are_said_to_be_quotes(cast: Cast, known: None, monkeypatch: pytest.MonkeyPatch) -> None:
    async with wired(monkeypatch, (CHAT, DOWN)):
        result = await ask(cast)
    assert (result["status"], result["degraded"], result["provider"]) == ("answered", "quotes", "extractive")
    assert "30 days" in result["answer"]
    html = await page(result["conversation"])
    assert shows(html, QUOTED)
    assert not shows(html, POINTED)

    def sealed() -> tuple[Any, bool]:
        with tenant_scope(cast.acme.pk):
            record = AuditRecord.objects.get(pk=result["audit_id"])
            return record.content.data["verdict"]["detail"]["degraded"], verify(cast.acme.pk).ok

    assert await in_database(sealed) == ("quotes", True)


async def test_a_fixed_text_is_no_answer_and_names_the_articles(
    cast: Cast, known: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def no_vectors(texts: list[str]) -> list[list[float]]:
        raise Overloaded("the embedding model is down")

    async with wired(monkeypatch, (CHAT, DOWN)):
        monkeypatch.setattr(connections.provider(completion_profile("extractive")), "_embed", no_vectors)
        result = await ask(cast)
    assert (result["status"], result["reason"], result["degraded"]) == ("abstained", "no_model_reached", "pointers")
    assert [near["title"] for near in result["nearest"]] == ["Returning a lamp"]
    html = await page(result["conversation"])
    assert shows(html, POINTED)
    assert not shows(html, QUOTED)


async def test_an_answer_as_it_was_meant_to_be_says_nothing_of_the_kind(
    cast: Cast, known: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = ["You can return a lamp within 30 days of delivery [1]."]
    async with wired(monkeypatch, (CHAT, Script(CHAT.say(said, "stop")))):
        result = await ask(cast)
    assert (result["status"], result["degraded"]) == ("answered", "")
    html = await page(result["conversation"])
    assert not shows(html, QUOTED)
    assert not shows(html, POINTED)


@pytest.mark.threat("R5", "B2")
async def test_stop_closes_the_provider_within_half_a_second(
    cast: Cast, known: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    stalled = Script(CHAT.say(["You can return "], "stop"), stall=2)
    async with wired(monkeypatch, (CHAT, stalled)) as servers:
        actor = await in_database(cast.actor, "alice")
        run = Run(owner_of(actor), answer(Ask(QUESTION, actor)))
        async for event in run.follow():
            if event["type"] == "delta":
                break
        started = time.perf_counter()
        run.stop()
        await asyncio.wait_for(servers[0].gone.wait(), 0.5)
        assert time.perf_counter() - started < 0.5
        *_, last = [event async for event in run.follow()]
    assert (last["type"], last["answer"]["status"]) == ("final", "stopped")
