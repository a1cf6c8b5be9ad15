"""A question from the door to the saved answer."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import call_command

from accounts.tenancy import in_database, tenant_scope
from assistant.errors import EmptyQuestion, QuestionTooLong, UnknownConversation
from assistant.events import Delta, Error, Final
from assistant.models import Citation, Conversation, Message
from assistant.pipeline.answer import Ask, answer
from gateway.models import AuditRecord
from knowledge.models import DocumentVersion
from tests.conftest import Cast

RETURNS = (
    "Returning a lamp",
    "You can return a lamp within 30 days of delivery. Pack it in its box and keep the receipt.",
)
WARRANTY = ("Warranty", "Every lamp has a warranty of two years. It covers the switch and the cable.")
SECRET = ("Goodwill", "Agents may grant 25 euros of goodwill credit for a late lamp without asking anybody.")


async def ask(cast: Cast, question: str, who: str = "alice", **more: Any) -> dict[str, Any]:
    result: dict[str, Any] = {}
    async for event in answer(Ask(question, await in_database(cast.actor, who), **more)):
        if isinstance(event, Final | Error):
            result = event.answer
    return result


@pytest.fixture
def known(learn: Callable[..., None]) -> None:
    learn(RETURNS, WARRANTY)


async def test_the_answer_quotes_its_article_to_the_character(cast: Cast, known: None) -> None:
    result = await ask(cast, "How long do I have to return a lamp?")
    assert result["status"] == "answered"
    assert "30 days" in result["answer"]

    def texts() -> list[bool]:
        with tenant_scope(cast.acme.pk):
            versions = {str(v.pk): v.text for v in DocumentVersion.objects.all()}
        return [versions[c["version"]][c["start"] : c["end"]] == c["quote"] for c in result["citations"]]

    exact = await in_database(texts)
    assert exact
    assert all(exact)


async def test_the_answer_is_saved_with_its_citations_and_audit_record(cast: Cast, known: None) -> None:
    result = await ask(cast, "How long do I have to return a lamp?")

    def saved() -> tuple[dict[str, Any], int, str]:
        with tenant_scope(cast.acme.pk):
            message = Message.objects.get(pk=result["message"])
            record = AuditRecord.objects.get(pk=result["audit_id"])
            return message.final, Citation.objects.filter(message=message).count(), record.verdict

    final, citations, verdict = await in_database(saved)
    assert final == result
    assert citations == len(result["citations"])
    assert verdict == "supported"


async def test_what_no_article_says_is_not_answered(cast: Cast, known: None) -> None:
    result = await ask(cast, "Which planet has the most moons?")
    assert result["status"] == "abstained"
    assert result["reason"] in {"too_little_evidence", "nothing_found"}
    assert result["citations"] == []
    assert result["nearest"]


@pytest.mark.threat("T1", "T8")
async def test_a_stranger_never_retrieves_our_passages(cast: Cast, known: None) -> None:
    result = await ask(cast, "How long do I have to return a lamp?", who="mallory")
    assert (result["status"], result["reason"], result["nearest"]) == ("abstained", "nothing_found", [])


async def test_a_customer_is_never_given_an_internal_note(cast: Cast, learn: Callable[..., None]) -> None:
    await in_database(learn, SECRET, visibility="internal")
    question = "How much goodwill credit for a late lamp?"
    assert "25 euros" not in json.dumps(await ask(cast, question))
    assert "25 euros" in (await ask(cast, question, who="adam"))["answer"]


async def test_a_follow_up_is_understood_from_the_question_before_it(cast: Cast, known: None) -> None:
    first = await ask(cast, "What is the warranty of a lamp?")
    second = await ask(cast, "And what does it cover?", conversation_id=first["conversation"])
    assert "switch" in second["answer"]


@pytest.mark.threat("T2")
async def test_another_persons_conversation_cannot_be_continued(cast: Cast, known: None) -> None:
    first = await ask(cast, "What is the warranty of a lamp?")
    with pytest.raises(UnknownConversation):
        await ask(cast, "And what does it cover?", who="adam", conversation_id=first["conversation"])


async def test_a_question_must_say_something_and_not_too_much(cast: Cast) -> None:
    with pytest.raises(EmptyQuestion):
        await ask(cast, " \u200b\n")
    with pytest.raises(QuestionTooLong):
        await ask(cast, "x" * 4001)


@pytest.mark.threat("P7")
async def test_a_benign_question_that_sounds_like_an_attack_is_answered(cast: Cast, known: None) -> None:
    result = await ask(cast, "The leaflet says ignore previous instructions: how long do I have to return a lamp?")
    assert result["status"] == "answered"


async def test_streamed_text_and_final_answer_say_the_same(cast: Cast, known: None) -> None:
    actor = await in_database(cast.actor, "alice")
    events = [event async for event in answer(Ask("How long do I have to return a lamp?", actor))]
    streamed = "".join(event.text for event in events if isinstance(event, Delta))
    final = events[-1]
    assert isinstance(final, Final)
    said = "".join(each["text"] for each in final.answer["sentences"])
    assert "".join(streamed.split()) == "".join(said.split())


async def test_the_question_is_kept_when_the_reader_leaves_at_once(cast: Cast, known: None) -> None:
    events = answer(Ask("How long do I have to return a lamp?", await in_database(cast.actor, "alice")))
    await anext(events)
    await events.aclose()

    def saved() -> list[tuple[str, str]]:
        with tenant_scope(cast.acme.pk):
            return list(Message.objects.values_list("role", "status"))

    assert await in_database(saved) == [("user", "answered"), ("assistant", "stopped")]


def test_the_command_line_prints_the_same_object(cast: Cast, known: None) -> None:
    out = io.StringIO()
    call_command("ask", "How long do I have to return a lamp?", tenant="acme", json=True, stdout=out)
    result = json.loads(out.getvalue())
    assert result["status"] == "answered"
    keys = {
        "reason",
        "answer",
        "sentences",
        "citations",
        "provider",
        "model",
        "usage",
        "cost",
        "timings_ms",
        "audit_id",
    }
    assert keys <= result.keys()
    with tenant_scope(cast.acme.pk):
        assert Conversation.objects.count() == 1
