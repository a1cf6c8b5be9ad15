"""A person goes from the audit log for good, and the log can still be verified."""

from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection
from django.utils import timezone

from accounts.tenancy import tenant_scope
from gateway.audit import anchor, erasure, keys, retention, writer
from gateway.audit.verify import verify
from gateway.models import AuditContent, AuditPolicy, AuditRecord, AuditSubject
from gateway.types import Call, Caller, EmbeddingCall, FinishReason, Message, Trace
from tests.conftest import Cast, TestDatabase
from tests.gateway.conftest import SignIn, Tamper
from tests.gateway.test_audit import failure

SECRET = "Alice's knee hurts"


def speak(cast: Cast, name: str, *, about: str | None = None, text: str = SECRET) -> AuditRecord:
    """A record of what `name` asked, perhaps in `about`'s words."""
    user = getattr(cast, name)
    subject = getattr(cast, about).pk if about else None
    caller = Caller(cast.acme.pk, user.pk, f"{user.name} (label)", conversation_id="c-1", subject_id=subject)
    call = Call(caller, (Message("user", text),), question=text)
    with tenant_scope(cast.acme.pk):
        return writer.append(cast.acme.pk, writer.frozen_completion(call), Trace(text="Yes.", reason=FinishReason.STOP))


def erase(cast: Cast, name: str, by: str | None = "ada") -> erasure.Plan | None:
    with tenant_scope(cast.acme.pk):
        return erasure.erase(cast.acme.pk, getattr(cast, name).pk, by=getattr(cast, by).pk if by else None)


def stored(cast: Cast) -> list[AuditRecord]:
    with tenant_scope(cast.acme.pk):
        return list(AuditRecord.objects.select_related("content", "subject__user", "actor__user").order_by("sequence"))


@pytest.mark.threat("A4")
def test_a_person_is_erased_and_the_chain_still_verifies(cast: Cast) -> None:
    for name in ("alice", "adam", "alice"):
        speak(cast, name)
    touched = erase(cast, "alice")
    speak(cast, "adam")

    assert touched is not None
    assert (touched.records, touched.texts) == (2, 2)
    assert verify(cast.acme.pk).failure is None
    first, second, _third, erasing, _last = stored(cast)
    assert first.subject is first.actor is None
    assert not hasattr(first, "content")
    assert second.content.data["question"] == SECRET, "others keep their texts"
    assert (erasing.kind, erasing.actor.user) == ("erasure", cast.ada), "who erased is on the record"
    assert erasing.detail == {"subject": str(touched.subject_id), "records": 2, "texts": 2}


@pytest.mark.threat("A4")
def test_after_an_erasure_no_table_holds_the_words_or_the_name(cast: Cast, live_db: TestDatabase) -> None:
    speak(cast, "alice")
    speak(cast, "adam", about="alice")
    erase(cast, "alice")
    with live_db.superuser() as intruder:
        for table in ("auditrecord", "auditcontent", "auditsubject", "audithead"):
            rows = str(intruder.execute(f"SELECT * FROM gateway_{table}".encode()).fetchall())
            assert "knee" not in rows
            assert "Alice" not in rows
    assert {each.subject for each in stored(cast) if each.kind == "completion"} == {None}


@pytest.mark.threat("A4")
def test_a_draft_for_a_customer_goes_with_the_customer_and_names_no_agent(cast: Cast) -> None:
    speak(cast, "adam", about="alice")
    (record,) = stored(cast)
    assert (record.actor.user, record.subject.user) == (cast.adam, cast.alice)
    assert record.content.data["user"] == "", "the agent's name would outlive the agent's erasure"
    erase(cast, "alice")
    assert stored(cast)[0].actor.user == cast.adam


@pytest.mark.threat("A4")
def test_the_sealed_text_is_no_use_without_its_key(cast: Cast) -> None:
    speak(cast, "alice")
    (record,) = stored(cast)
    body = bytes(record.content.body)
    assert b"knee" not in body
    with pytest.raises(keys.Unreadable):
        keys.unseal(bytes(32), record.pk, body)
    with pytest.raises(keys.Unreadable):
        keys.unseal(record.subject.key(), cast.acme.pk, body)  # bound to its record


@pytest.mark.threat("A4")
def test_who_comes_back_after_an_erasure_begins_anew(cast: Cast) -> None:
    before = speak(cast, "alice")
    erase(cast, "alice")
    after = speak(cast, "alice")
    assert before.subject_id != after.subject_id
    assert verify(cast.acme.pk).ok


@pytest.mark.threat("A4")
def test_whoever_erases_themselves_leaves_a_record_of_nobody(cast: Cast) -> None:
    speak(cast, "ada")
    erase(cast, "ada", by="ada")
    assert stored(cast)[1].actor is None
    assert verify(cast.acme.pk).ok


@pytest.mark.threat("A1", "A4")
@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("SELECT gateway_audit_erase(%s)", "no record says"),
        ("DELETE FROM gateway_auditsubject WHERE id = %s", "permission denied"),
        ("DELETE FROM gateway_auditcontent WHERE record_id <> %s", "permission denied"),
    ],
)
def test_no_key_goes_without_a_record_of_it(cast: Cast, statement: str, words: str) -> None:
    record = speak(cast, "alice")
    with pytest.raises(DatabaseError, match=words), tenant_scope(cast.acme.pk):
        with connection.cursor() as cursor:
            cursor.execute(statement, [record.subject_id])
    assert verify(cast.acme.pk).ok


@pytest.mark.threat("A1", "A4")
def test_no_text_goes_before_its_time(cast: Cast) -> None:
    speak(cast, "alice")
    with tenant_scope(cast.acme.pk):
        retention.keep_for(cast.acme.pk, 30, by=None)
    with pytest.raises(DatabaseError, match="must be kept"), tenant_scope(cast.acme.pk):
        with connection.cursor() as cursor:
            cursor.execute("SELECT gateway_audit_expire(%s, 9, 9)", [cast.acme.pk])


@pytest.mark.threat("T1", "A4")
def test_another_tenants_people_cannot_be_erased(cast: Cast) -> None:
    record = speak(cast, "alice")
    with tenant_scope(cast.mallory_co.pk):
        assert erasure.erase(cast.mallory_co.pk, cast.alice.pk, by=cast.mallory.pk) is None
        with connection.cursor() as cursor:
            cursor.execute("SELECT gateway_audit_erase(%s)", [record.subject_id])
    assert stored(cast)[0].content.data["question"] == SECRET


@pytest.mark.threat("A2", "A4")
def test_a_key_that_is_missing_is_not_taken_for_an_erased_one(cast: Cast, tamper: Tamper) -> None:
    speak(cast, "adam")
    speak(cast, "alice")
    tamper("DELETE FROM gateway_auditsubject WHERE user_id = %s", cast.alice.pk)
    assert failure(cast) == (2, "key_missing")


@pytest.mark.threat("A2", "A4")
def test_a_record_that_is_put_on_somebody_else_is_found(cast: Cast, tamper: Tamper) -> None:
    speak(cast, "alice")
    tamper("UPDATE gateway_auditsubject SET user_id = %s WHERE user_id = %s", cast.adam.pk, cast.alice.pk)
    assert failure(cast) == (1, "key_forged")


@pytest.mark.threat("A4")
def test_a_backup_that_brings_an_erased_person_back_is_found_and_mended(cast: Cast, tamper: Tamper) -> None:
    speak(cast, "alice")
    with tenant_scope(cast.acme.pk):
        subject = AuditSubject.objects.get(user=cast.alice)
        text = AuditContent.objects.get()
    erase(cast, "alice")
    tamper(
        "INSERT INTO gateway_auditsubject VALUES (%s, %s, %s, %s, %s)",
        *(subject.pk, bytes(subject.wrapped), subject.created_at, subject.tenant_id, subject.user_id),
    )
    tamper("INSERT INTO gateway_auditcontent (record_id, tenant_id, body) VALUES (%s, %s, %s)",
           text.record_id, text.tenant_id, bytes(text.body))  # fmt: skip
    assert failure(cast) == (1, "not_erased")
    out = StringIO()
    call_command("erase_person", "--tenant", "acme", "--again", "--json", stdout=out)
    assert len(json.loads(out.getvalue())["erased"]) == 1
    assert verify(cast.acme.pk).ok
    assert subject.pk in {each.subject_id for each in stored(cast)}


@pytest.mark.threat("A4")
def test_the_anchor_remembers_who_was_erased(cast: Cast) -> None:
    subject = speak(cast, "alice").subject_id
    erase(cast, "alice")
    known = anchor.read(cast.acme.pk)
    assert known is not None
    assert known.erased == {str(subject)}


@pytest.mark.threat("A4")
def test_the_digest_of_an_embedded_question_confirms_no_guess(cast: Cast) -> None:
    call = EmbeddingCall(Caller(cast.acme.pk, cast.alice.pk), ("How do I reset?",))
    frozen = writer.frozen_embedding(call)
    with tenant_scope(cast.acme.pk):
        record = writer.append(cast.acme.pk, frozen, Trace())
        assert record.content_digest == keys.keyed_digest(record.subject.key(), frozen["digest"])
    assert record.content_digest != frozen["digest"]


@pytest.mark.threat("A4")
def test_the_command_erases_and_says_what(cast: Cast) -> None:
    speak(cast, "alice")
    out = StringIO()
    call_command("erase_person", "--tenant", "acme", "--email", "Alice@example.com", "--yes", stdout=out)
    assert "1 texts, 1 records" in out.getvalue()
    with pytest.raises(CommandError, match="Nobody has an account"):
        call_command("erase_person", "--tenant", "acme", "--email", "nobody@example.com", "--yes")
    assert verify(cast.acme.pk).ok


def test_the_command_asks_before_it_erases(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    speak(cast, "alice")
    monkeypatch.setattr("builtins.input", lambda _prompt: "no")
    with pytest.raises(CommandError, match="Nothing was erased"):
        call_command("erase_person", "--tenant", "acme", "--email", "alice@example.com", stdout=StringIO())
    assert stored(cast)[0].content.data["question"] == SECRET


@pytest.mark.threat("A4")
def test_an_admin_is_asked_once_and_told_what_goes(cast: Cast, sign_in: SignIn) -> None:
    record = speak(cast, "alice")
    speak(cast, "adam")
    client, address = sign_in("ada"), "/admin/gateway/auditsubject/"
    assert "alice@example.com" in client.get(address).content.decode()
    form = {"action": "erase", "_selected_action": [str(record.subject_id)]}
    page = client.post(address, form).content.decode()
    assert "alice@example.com" in page
    assert "the text of 1 record" in page
    assert "adam@" not in page
    assert stored(cast)[0].content, "nothing goes before the answer"
    shown = client.post(address, {**form, "confirmed": "1"}, follow=True).content.decode()
    assert "1 people were erased" in shown
    assert stored(cast)[0].subject is None
    story = client.get(f"/admin/gateway/auditrecord/{record.pk}/change/").content.decode()
    assert "was erased" in story
    assert "This record is as it was written" in story


@pytest.mark.threat("T1", "A4")
def test_an_admin_cannot_erase_people_of_another_tenant(cast: Cast, sign_in: SignIn) -> None:
    record = speak(cast, "alice")
    form = {"action": "erase", "_selected_action": [str(record.subject_id)], "confirmed": "1"}
    sign_in("mallory").post("/admin/gateway/auditsubject/", form)
    assert stored(cast)[0].content.data["question"] == SECRET


@pytest.fixture
def old_records(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> list[AuditRecord]:
    """Three that are forty days old, and one of today."""
    with monkeypatch.context() as patch:
        long_ago = timezone.now() - timedelta(days=40)
        patch.setattr(timezone, "now", lambda: long_ago)
        old = [speak(cast, "alice") for _ in range(3)]
    return [*old, speak(cast, "alice")]


def keep(cast: Cast, days: int | None) -> None:
    with tenant_scope(cast.acme.pk):
        retention.keep_for(cast.acme.pk, days, by=cast.ada.pk)


def texts(cast: Cast) -> list[int]:
    return [each.sequence for each in stored(cast) if hasattr(each, "content")]


@pytest.mark.threat("A4")
def test_texts_go_when_their_days_are_over_and_the_chain_stays(cast: Cast, old_records: list[AuditRecord]) -> None:
    assert retention.expire_all(timezone.now()) == 0, "without a policy they are kept for ever"
    keep(cast, 30)
    assert retention.expire_all(timezone.now()) == 3
    assert retention.expire_all(timezone.now()) == 0
    assert texts(cast) == [4]
    assert [(each.kind, each.detail) for each in stored(cast)[4:]] == [
        ("policy", {"days": 30}),
        ("retention", {"days": 30, "through": 3}),
    ]
    assert verify(cast.acme.pk).failure is None


@pytest.mark.threat("A4")
def test_a_run_that_broke_off_is_finished_by_the_next(
    cast: Cast, old_records: list[AuditRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(cast, 30)
    with monkeypatch.context() as patch:
        patch.setattr(retention, "_remove", lambda _tenant, _through: 0)
        retention.expire(cast.acme.pk, timezone.now())
    assert verify(cast.acme.pk).ok
    assert len(texts(cast)) == 4
    monkeypatch.setattr(retention, "AT_ONCE", 2)
    assert retention.expire(cast.acme.pk, timezone.now()) == 3


@pytest.mark.threat("A2", "A4")
def test_a_text_that_is_missing_is_not_taken_for_an_expired_one(
    cast: Cast, old_records: list[AuditRecord], tamper: Tamper
) -> None:
    keep(cast, 30)
    retention.expire(cast.acme.pk, timezone.now())
    tamper("DELETE FROM gateway_auditcontent")
    assert failure(cast) == (4, "content_missing")


def test_an_admin_sets_how_long_texts_are_kept(cast: Cast, sign_in: SignIn) -> None:
    client, address = sign_in("ada"), "/admin/gateway/auditpolicy/"
    client.post(f"{address}add/", {"tenant": cast.acme.pk, "days": 90})
    client.post(f"{address}{cast.acme.pk}/change/", {"days": 60})
    with tenant_scope(cast.acme.pk):
        assert AuditPolicy.objects.get().days == 60
    client.post(f"{address}{cast.acme.pk}/delete/", {"post": "yes"})
    assert [(each.kind, each.detail["days"]) for each in stored(cast)] == [
        ("policy", 90), ("policy", 60), ("policy", None)
    ]  # fmt: skip
    assert {each.actor.user for each in stored(cast)} == {cast.ada}


def test_the_command_sets_how_long_texts_are_kept(cast: Cast) -> None:
    call_command("set_retention", "--tenant", "acme", "--days", "30", stdout=StringIO())
    with pytest.raises(CommandError, match="at least one day"):
        call_command("set_retention", "--tenant", "acme", "--days", "0")
    with tenant_scope(cast.acme.pk):
        assert AuditPolicy.objects.get().days == 30
    call_command("set_retention", "--tenant", "acme", "--for-ever", stdout=StringIO())
    with tenant_scope(cast.acme.pk):
        assert not AuditPolicy.objects.exists()
