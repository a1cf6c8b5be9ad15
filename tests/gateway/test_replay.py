"""An audited call is run again, with the words and sources of then, and laid beside the original."""

from __future__ import annotations

import dataclasses
import json
import re
from decimal import Decimal
from io import StringIO
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.core.management import CommandError, call_command

from accounts.tenancy import tenant_scope
from gateway import connections
from gateway.audit import erasure, replay, writer
from gateway.audit.compare import words
from gateway.audit.thaw import thaw
from gateway.audit.verify import verify
from gateway.client import complete, embed_sync
from gateway.errors import StreamBroken
from gateway.models import AuditRecord, Budget
from gateway.routing.policy import built_in_version
from gateway.types import Call, Caller, Message, Options, Source, Task, TextDelta, Verdict
from tests.conftest import Cast
from tests.gateway.conftest import SignIn
from tests.gateway.test_client import DONE, PAID, SPARE, Play, Scripted, play  # noqa: F401  a fixture

SOURCE = Source(1, "Press reset to reset.", "doc", "v1", "Reset", "/reset", 0, 21, score=0.5)


@pytest.fixture
def original(cast: Cast, play: Play) -> UUID:  # noqa: F811
    """Alice's question, answered by the first of two models; both are deterministic."""
    play(
        Scripted(PAID, (TextDelta("Press the red key."), *DONE)),
        Scripted(SPARE, (TextDelta("Press the blue key twice."), *DONE)),
    )
    caller = Caller(cast.acme.pk, cast.alice.pk, "Alice", conversation_id="c-1")
    messages = (Message("system", "Be brief."), Message("user", "How do I reset?"))
    call = Call(caller, messages, Options(max_tokens=77), (SOURCE,), "How do I reset?", "answer-1")
    connections.run_in_background(complete(call))
    return call.id


def record(cast: Cast, audit_id: UUID | str) -> AuditRecord:
    with tenant_scope(cast.acme.pk):
        log = AuditRecord.objects.select_related("content", "subject__user", "actor__user")
        found: AuditRecord = log.get(pk=audit_id)
        return found


def run(*arguments: Any) -> dict[str, Any]:
    out = StringIO()
    call_command("replay", *map(str, arguments), "--json", stdout=out)
    return dict(json.loads(out.getvalue()))


def test_a_replay_on_the_same_model_gives_the_same(cast: Cast, original: UUID) -> None:
    found = run(original)
    assert found["identical"]
    assert found["original"]["answer"] == found["replay"]["answer"] == "Press the red key."
    again = record(cast, found["replay"]["audit_id"])
    assert (again.purpose, again.replay_of, again.model, again.cost) == (
        "replay",
        original,
        "paid",
        Decimal("0.014"),
    )
    assert (again.subject.user, again.actor.user) == (cast.alice, None), "the words are still Alice's"
    before, after = record(cast, original).content.data, again.content.data
    assert {k: before[k] for k in ("messages", "sources", "question")} == {
        k: after[k] for k in ("messages", "sources", "question")
    }
    assert after["options"]["max_tokens"] == 77
    assert verify(cast.acme.pk).ok


def test_a_replay_on_another_model_shows_the_difference(cast: Cast, original: UUID) -> None:
    found = run(original, "--model", "spare")
    assert not found["identical"]
    assert [(each["kind"], each["text"]) for each in found["pieces"]] == [
        ("same", "Press the "), ("removed", "red"), ("added", "blue"),
        ("same", " key"), ("added", " twice"), ("same", "."),
    ]  # fmt: skip
    assert (found["original"]["model"], found["replay"]["model"]) == ("paid", "spare")


def test_the_command_tells_it_in_words_too(original: UUID) -> None:
    out = StringIO()
    call_command("replay", str(original), "--model", "spare", stdout=out)
    assert "Press the [-red-]{+blue+} key{+ twice+}." in out.getvalue()


def test_what_cannot_be_replayed_says_why(cast: Cast, original: UUID) -> None:
    embed_sync(Caller(cast.acme.pk), ["one"])
    with tenant_scope(cast.acme.pk):
        embedding = AuditRecord.objects.get(kind="embedding")
        erasure.erase(cast.acme.pk, cast.alice.pk, by=None)
    with pytest.raises(CommandError, match="not_replayable: the person whose words these were was erased"):
        run(original)
    with pytest.raises(CommandError, match="not_replayable: it is no completion"):
        run(embedding.pk)
    with pytest.raises(CommandError, match="There is no audit record"):
        run(uuid4())


@pytest.mark.threat("B1")
def test_a_replay_is_paid_for(cast: Cast, original: UUID) -> None:
    with tenant_scope(cast.acme.pk):
        Budget.objects.update_or_create(tenant=cast.acme, user=None, purpose="replay", defaults={"limit": 0})
    with pytest.raises(CommandError, match="budget_exceeded"):
        run(original)


def test_an_admin_confirms_a_replay_and_sees_the_difference(cast: Cast, original: UUID, sign_in: SignIn) -> None:
    client, address = sign_in("ada"), f"/audit/{original}/replay/"
    assert address in client.get(f"/admin/gateway/auditrecord/{original}/change/").content.decode()
    asked = client.get(address).content.decode()
    assert "paid:" in asked
    assert "spare:" in asked
    assert re.search(r"costs at most \$0\.\d", asked), "the bound is named before anything is spent"
    with tenant_scope(cast.acme.pk):
        assert AuditRecord.objects.count() == 1, "looking runs nothing"
    page = client.post(address, {"model": "spare"}, follow=True).content.decode()
    assert "<del>red</del><ins>blue</ins>" in page
    with tenant_scope(cast.acme.pk):
        assert AuditRecord.objects.select_related("actor__user").get(purpose="replay").actor.user == cast.ada


def test_a_replay_that_fails_is_shown_as_such(cast: Cast, original: UUID, sign_in: SignIn, play: Play) -> None:  # noqa: F811
    play(Scripted(PAID, (StreamBroken("cut"),)))
    page = sign_in("ada").post(f"/audit/{original}/replay/", {"model": "paid"}, follow=True).content.decode()
    assert "stream_broken" in page


@pytest.mark.threat("T1")
@pytest.mark.parametrize(("name", "status"), [("mallory", 404), ("alice", 404), ("adam", 404)])
def test_only_admins_of_the_tenant_can_replay(original: UUID, sign_in: SignIn, name: str, status: int) -> None:
    client, address = sign_in(name), f"/audit/{original}/replay/"
    assert client.get(address).status_code == status
    assert client.post(address, {"model": "paid"}).status_code == status


def test_a_model_that_was_not_offered_is_not_run(cast: Cast, original: UUID, sign_in: SignIn) -> None:
    assert sign_in("ada").post(f"/audit/{original}/replay/", {"model": "nobody"}).status_code == 404


def test_an_erased_record_says_so_instead_of_a_form(cast: Cast, original: UUID, sign_in: SignIn) -> None:
    with tenant_scope(cast.acme.pk):
        erasure.erase(cast.acme.pk, cast.alice.pk, by=None)
    response = sign_in("ada").get(f"/audit/{original}/replay/")
    assert (response.status_code, "was erased" in response.content.decode()) == (409, True)
    assert "On which model" not in response.content.decode()


def test_the_mac_covers_what_a_call_is_judged_by(cast: Cast, original: UUID) -> None:
    found = record(cast, original)
    assert found.sources == [{"document": "doc", "version": "v1", "start": 0, "end": 21}]
    policy = f"default {built_in_version()}"
    assert (found.prompt_version, found.policy_version, found.redaction) == ("answer-1", policy, {})


def test_values_are_thawed_as_they_were_frozen() -> None:
    options = Options(task=Task.DRAFT, model="m", max_tokens=5)
    call = Call(Caller(1), (Message("user", "x"),), options, (SOURCE,))
    kept = json.loads(json.dumps(writer.frozen_completion(call)))
    assert thaw(Options, kept["options"]) == options
    assert thaw(tuple[Message, ...], kept["messages"]) == call.messages
    assert thaw(tuple[Source, ...], kept["sources"]) == call.sources
    assert thaw(Options, {**kept["options"], "gone": 1}) == options
    assert dataclasses.asdict(thaw(Verdict, {"name": "supported", "detail": {"a": [1]}}))["detail"] == {"a": [1]}


def test_a_difference_puts_together_both_texts() -> None:
    old, new = "One  two, three.\nFour", "One two, 3.\nFour five"
    pieces = words(old, new)
    assert "".join(each.text for each in pieces if each.kind != "added") == old
    assert "".join(each.text for each in pieces if each.kind != "removed") == new


def test_the_bound_is_what_the_budget_would_hold(cast: Cast, original: UUID) -> None:
    call = replay.frozen([cast.acme.pk], original)
    assert call is not None
    assert [choice.model for choice in replay.choices(call)] == ["paid", "spare"]
    assert replay.bound(replay.on(call, "paid")) >= record(cast, original).cost
