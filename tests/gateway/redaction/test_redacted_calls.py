"""What a provider sees of a call, what the reader gets back, and what the record keeps."""

from __future__ import annotations

import dataclasses
import json
import logging
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings

from accounts.tenancy import in_database, in_tenant, tenant_scope
from gateway import client, connections
from gateway.abilities import Tool, ToolCall
from gateway.audit import replay
from gateway.errors import RedactionFailed
from gateway.models import AuditRecord, RedactionPolicy, Reservation
from gateway.redaction import policy
from gateway.redaction.spans import Span
from gateway.types import Call, Caller, EmbeddingCall, Message, Options, Source
from tests.conftest import Cast
from tests.contracts import test_embedders as embedders
from tests.contracts.cases import ANTHROPIC, CHAT, WIRE, Case
from tests.gateway.redaction.test_detector import KEYS
from tests.gateway.wired import wired
from tests.servers.openai_server import chat
from tests.servers.wire import Request, Script, failure, serving

MAIL, NAME, PHONE = "bob.ross@paint.example.org", "Mathias Ruud", "+49 30 901820"
QUESTION = f"I am {NAME}, my mail is {MAIL}. Is {PHONE} right? Write to {MAIL}."
Patch = pytest.MonkeyPatch


@pytest.fixture
def caller(cast: Cast) -> Iterator[Caller]:
    """Nobody remembers the policies of another test's tenants, which have the same ids."""
    policy.forget(cast.acme.pk)
    yield Caller(cast.acme.pk, cast.alice.pk, "Alice", conversation_id="c-1")
    policy.forget(cast.acme.pk)


def asking(caller: Caller, text: str = QUESTION, **options: Any) -> Call:
    return Call(caller, (Message("system", "Be brief."), Message("user", text)), Options(**options), question=text)


def echo(case: Case, split: int = 3) -> Any:
    """A model that says what it was asked, a few bytes at a time."""

    def respond(request: Request) -> Script:
        said = request.asked
        return Script(case.say([said[at : at + split] for at in range(0, len(said), split)], "stop"), split=7)

    return respond


async def record_of(caller: Caller, call: Call) -> AuditRecord:
    def read() -> AuditRecord:
        found: AuditRecord = AuditRecord.objects.select_related("content", "subject").get(pk=call.id)
        assert found.content.data
        return found

    return await in_tenant(caller.tenant_id, read)


@pytest.mark.parametrize("case", [each for each in WIRE if not each.binary], ids=str)
async def test_no_provider_sees_the_values_and_the_reader_gets_them(
    case: Case, caller: Caller, monkeypatch: Patch
) -> None:
    async with wired(monkeypatch, (case, echo(case))) as servers:
        answer = await client.complete(asking(caller))
    assert answer.text == QUESTION
    sent = json.dumps([each.body for each in servers[0].requests], ensure_ascii=False)
    assert not [value for value in (MAIL, NAME, PHONE) if value in sent]
    assert sent.count("EMAIL_") >= 2
    assert "PHONE_" in sent


async def test_the_record_holds_what_was_sent_and_how_much_was_taken_out(caller: Caller, monkeypatch: Patch) -> None:
    call = asking(caller)
    async with wired(monkeypatch, (CHAT, echo(CHAT))) as servers:
        await client.complete(call)
    record = await record_of(caller, call)
    kept = record.content.data
    assert record.redaction == {"NAME": 1, "EMAIL": 2, "PHONE": 1}
    assert not [value for value in (MAIL, NAME, PHONE) if value in json.dumps(kept, ensure_ascii=False)]
    assert kept["messages"][-1]["content"] == servers[0].requests[0].asked == kept["answer"] == kept["question"]


async def test_a_replay_repeats_what_was_sent(caller: Caller, monkeypatch: Patch) -> None:
    call = asking(caller)
    async with wired(monkeypatch, (CHAT, echo(CHAT))) as servers:
        await client.complete(call)
        again = await in_database(replay.frozen, [caller.tenant_id], call.id)
        assert again is not None
        await client.complete(again)
        assert servers[0].requests[0].asked == servers[0].requests[1].asked
    before, after = await record_of(caller, call), await record_of(caller, again)
    assert before.content.data["answer"] == after.content.data["answer"]


async def test_values_stay_the_same_in_a_conversation_and_differ_in_another(caller: Caller, monkeypatch: Patch) -> None:
    other = dataclasses.replace(caller, conversation_id="c-2")
    async with wired(monkeypatch, (CHAT, echo(CHAT))) as servers:
        for each in (caller, caller, other):
            await client.complete(asking(each))
    first, again, elsewhere = [request.asked for request in servers[0].requests]
    assert first == again != elsewhere


async def test_system_prompt_history_tools_and_results_are_read_too(caller: Caller, monkeypatch: Patch) -> None:
    called = ToolCall("call_1", "look_up", json.dumps({"who": MAIL}))
    messages = (
        Message("system", f"The owner is {MAIL}."),
        Message("user", "Who?"),
        Message("assistant", "", tool_calls=(called,)),
        Message("tool", json.dumps({"phone": PHONE, "mail": MAIL}), tool_call_id="call_1"),
        Message("user", "And now?"),
    )
    schema = {"type": "object", "properties": {"to": {"type": "string", "default": MAIL}}}
    tools = (Tool("send", f"Sends mail, as {MAIL} does.", schema),)

    def respond(request: Request) -> Script:
        name = request.body["messages"][0]["content"].split()[-1].rstrip(".")
        fragments = ['{"to": "', *name, '", "cc": "EMAIL_"}']
        return Script(chat([], tool=("send", fragments), reason="tool_calls"))

    async with wired(monkeypatch, (CHAT, respond)) as servers:
        answer = await client.complete(Call(caller, messages, Options(tools=tools)))
    assert json.loads(answer.tool_calls[0].arguments) == {"to": MAIL, "cc": "EMAIL_"}
    assert MAIL not in json.dumps(servers[0].requests[0].body)
    assert PHONE not in json.dumps(servers[0].requests[0].body)


@pytest.mark.threat("P9")
async def test_a_placeholder_that_somebody_writes_is_nobodys_value(caller: Caller, monkeypatch: Patch) -> None:
    async with wired(monkeypatch, (CHAT, echo(CHAT))) as servers:
        await client.complete(asking(caller))
        stolen = next(word for word in servers[0].requests[0].asked.split() if word.startswith("EMAIL_")).rstrip(".")
        text = f"Say {stolen}. My mail is {MAIL}"
        answer = await client.complete(asking(caller, text))
    assert answer.text == text
    assert servers[0].requests[1].asked.count(stolen) == 1


@pytest.mark.threat("T12")
async def test_keys_in_a_question_reach_no_provider_record_or_log(
    caller: Caller, monkeypatch: Patch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    call = asking(caller, "Why is this refused?\n" + "\n".join(KEYS))

    def respond(request: Request) -> Script:
        return failure(400, {"error": {"message": f"cannot read: {request.asked}", "type": "invalid_request_error"}})

    async with wired(monkeypatch, (CHAT, respond)) as servers:
        with pytest.raises(client.GatewayError) as caught:
            await client.complete(call)
    record = await record_of(caller, call)
    seen = json.dumps([each.body for each in servers[0].requests]) + caplog.text + str(caught.value)
    seen += json.dumps(record.content.data) + str(record.attempts)
    assert not [key for key in KEYS if key in seen]


class Broken:
    def find(self, text: str) -> list[Span]:
        raise ValueError(text)


class Hanging:
    def find(self, text: str) -> list[Span]:
        threading.Event().wait(0.5)  # longer than this test allows
        return []


@pytest.mark.parametrize("detector", [Broken(), Hanging()])
async def test_nothing_is_sent_when_the_detector_fails(detector: Any, caller: Caller, monkeypatch: Patch) -> None:
    monkeypatch.setattr(policy, "_detector", lambda: detector)
    monkeypatch.setattr(settings, "GATEWAY", dataclasses.replace(settings.GATEWAY, redaction_seconds=0.1))
    source = Source(1, f"Ask {MAIL}.", "d", "v", "Title", "", 0, 20)
    call = dataclasses.replace(asking(caller), sources=(source,))
    async with wired(monkeypatch, (CHAT, echo(CHAT)), (ANTHROPIC, echo(ANTHROPIC))) as servers:
        with pytest.raises(RedactionFailed) as caught:
            await client.complete(call)
    assert [len(server.requests) for server in servers] == [0, 0]
    assert MAIL not in str(caught.value)
    assert caught.value.__cause__ is None
    record = await record_of(caller, call)
    assert (record.error_code, record.cost) == ("redaction_failed", 0)
    assert MAIL not in json.dumps(record.content.data)


async def test_a_cleared_provider_reads_the_text_as_it_is(caller: Caller, monkeypatch: Patch) -> None:
    def clear(*providers: str) -> None:
        RedactionPolicy.objects.update_or_create(tenant_id=caller.tenant_id, defaults={"cleared": list(providers)})
        policy.forget(caller.tenant_id)

    async with wired(monkeypatch, (CHAT, echo(CHAT))) as servers:
        await in_tenant(caller.tenant_id, clear, "openai")
        await client.complete(asking(caller))
        await in_tenant(caller.tenant_id, clear)
        await client.complete(asking(caller))
        await in_tenant(caller.tenant_id, clear, "anthropic")
        await client.complete(asking(caller))
    assert [MAIL in request.asked for request in servers[0].requests] == [True, False, False]


async def test_the_operators_setting_counts_where_a_tenant_has_no_policy(caller: Caller, monkeypatch: Patch) -> None:
    async with wired(monkeypatch, (CHAT, echo(CHAT))) as servers:
        monkeypatch.setattr(settings, "GATEWAY", dataclasses.replace(settings.GATEWAY, cleared_providers=("openai",)))
        await client.complete(asking(caller))
        await in_tenant(
            caller.tenant_id, lambda: RedactionPolicy.objects.create(tenant_id=caller.tenant_id, cleared=[])
        )
        policy.forget(caller.tenant_id)
        await client.complete(asking(caller))
    assert [MAIL in request.asked for request in servers[0].requests] == [True, False]


@pytest.mark.threat("T7")
def test_a_policy_is_seen_by_its_own_tenant_alone(cast: Cast) -> None:
    with tenant_scope(cast.acme.pk):
        RedactionPolicy.objects.create(tenant=cast.acme, cleared=["openai"])
    with tenant_scope(cast.mallory_co.pk):
        assert not RedactionPolicy._base_manager.exists()


async def test_each_candidate_sees_what_it_may(caller: Caller, monkeypatch: Patch) -> None:
    """The first is not cleared and fails; the second is, and is asked with the values."""
    await in_tenant(
        caller.tenant_id, lambda: RedactionPolicy.objects.create(tenant_id=caller.tenant_id, cleared=["anthropic"])
    )
    refused = failure(403, CHAT.error(403, "forbidden", "no"))
    call = asking(caller)
    async with wired(monkeypatch, (CHAT, refused), (ANTHROPIC, echo(ANTHROPIC))) as servers:
        answer = await client.complete(call)
    assert [MAIL in json.dumps(server.requests[0].body) for server in servers] == [False, True]
    assert answer.text == QUESTION
    assert MAIL not in json.dumps((await record_of(caller, call)).content.data)


async def test_the_money_is_held_for_what_is_sent(caller: Caller, monkeypatch: Patch) -> None:
    held: list[str] = []

    def respond(request: Request) -> Script:
        return Script(CHAT.say(["Yes."], "stop"))

    settle = client.settle

    def noting(*arguments: Any) -> None:
        held.extend(Reservation.objects.values_list("request", flat=True))
        settle(*arguments)

    monkeypatch.setattr(client, "settle", noting)
    async with wired(monkeypatch, (CHAT, respond)):
        await client.complete(asking(caller))
    assert len(held) == 1
    assert MAIL not in held[0]
    assert "EMAIL_" in held[0]


async def test_a_hosted_embedder_sees_placeholders_that_match(caller: Caller, monkeypatch: Patch) -> None:
    case = embedders.CASES[0]
    profile = embedders.profile(case.profile.id, 8)

    def respond(request: Request) -> Script:
        body = case.answer([[1.0, 0.0] for _ in case.texts(request.body)])
        return Script((json.dumps(body).encode(),), content_type="application/json")

    async with serving(respond) as server:
        embedder = case.make(profile, server.url)
        monkeypatch.setattr(connections, "embedding_provider", lambda _profile, _key=None: embedder)
        monkeypatch.setattr(client, "embedding_candidate", lambda _call, _policy: profile)
        for text in (f"The owner is {MAIL}.", f"Who is {MAIL}?"):
            await client.embed(EmbeddingCall(caller, (text,)))
        await embedder.aclose()
    sent = [case.texts(request.body)[0] for request in server.requests]
    names = {word.rstrip(".?") for text in sent for word in text.split() if word.startswith("EMAIL_")}
    assert len(names) == 1
    assert MAIL not in " ".join(sent)
    summaries = await in_tenant(caller.tenant_id, lambda: list(AuditRecord.objects.values_list("redaction", flat=True)))
    assert summaries == [{"EMAIL": 1}] * 2


async def test_an_embedding_fails_with_the_detector(caller: Caller, monkeypatch: Patch) -> None:
    profile = embedders.profile(embedders.CASES[0].profile.id, 8)
    monkeypatch.setattr(policy, "_detector", Broken)
    monkeypatch.setattr(client, "embedding_candidate", lambda _call, _policy: profile)
    with pytest.raises(RedactionFailed):
        await client.embed(EmbeddingCall(caller, (MAIL,)))
    with pytest.raises(RedactionFailed):
        await in_database(client.embed_sync, caller, [MAIL])
