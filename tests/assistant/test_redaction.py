"""Personal data in a question and in a passage: the model sees placeholders, the reader the text to the character."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings

from accounts.tenancy import in_database, in_tenant
from assistant.events import Delta, Event, Final
from assistant.pipeline.answer import Ask, answer
from gateway.models import AuditRecord
from tests.conftest import Cast
from tests.servers.obedient import answered_by
from tests.servers.openai_server import chat
from tests.servers.wire import Request, Script, serving

ASKER, OWNER = "alice.private@mail.example.org", "returns.desk@acme.example.com"
FACT = f"Write to {OWNER} within 30 days of delivery to return a lamp"
QUESTION = f"How do I return a lamp? My address is {ASKER}."


def quoting(request: Request) -> Script:
    """Greets the asker as it knows them, quotes the passage, and cites it; one character at a time."""
    given = request.body["messages"][-1]["content"]
    passage = given.split("[1] ", 1)[1].split("\n", 1)[1].split(". ")[0]
    said = f"{passage}. [1]"
    return Script(chat(list(said)))


async def asked(cast: Cast) -> list[Event]:
    actor = await in_database(cast.actor, "alice")
    return [event async for event in answer(Ask(QUESTION, actor, None))]


@pytest.fixture
def taught(cast: Cast, learn: Callable[..., None]) -> Callable[[], None]:
    return lambda: learn(("Returning a lamp", f"{FACT}. Keep the receipt."))


async def test_the_model_sees_no_address_and_the_reader_an_exact_quote(
    cast: Cast, taught: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    await in_database(taught)
    async with serving(quoting) as server:
        monkeypatch.setattr(settings, "GATEWAY", answered_by(server))
        events = await asked(cast)
        sent = json.dumps([request.body for request in server.requests])
    assert ASKER not in sent
    assert OWNER not in sent
    assert sent.count("EMAIL_") >= 2
    assert isinstance(events[-1], Final)
    result: dict[str, Any] = events[-1].answer
    assert (result["status"], result["provider"], result["answer"]) == ("answered", "compatible", f"{FACT}. [1]")
    assert FACT in "".join(event.text for event in events if isinstance(event, Delta))
    (citation,) = result["citations"]
    assert OWNER in citation["quote"]
    records = await in_tenant(
        cast.acme.pk,
        lambda: [(each.redaction, each.content.data) for each in AuditRecord.objects.filter(task="answer")],
    )
    assert records[0][0]["EMAIL"] >= 2
    assert not [value for value in (ASKER, OWNER) if value in json.dumps(records[0][1])]
