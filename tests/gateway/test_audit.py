"""The log of every call: nobody can change it, and whoever can all the same is found out."""

from __future__ import annotations

import dataclasses
import json
import math
import threading
from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from typing import Any

import psycopg
import pytest
from django.core.management import call_command
from django.db import ProgrammingError, connection, connections, transaction
from hypothesis import given
from hypothesis import strategies as st

from accounts.tenancy import tenant_scope
from gateway.audit import anchor, writer
from gateway.audit.chain import METADATA, canonical, clean
from gateway.audit.verify import Failure, end_fault, verify
from gateway.models import AuditContent, AuditRecord
from gateway.types import Call, Caller, Classification, EmbeddingCall, FinishReason, Message, Source, Trace, Verdict
from tests.conftest import Cast, TestDatabase
from tests.gateway.conftest import Tamper

QUESTION = "How do I reset?"


def write(
    cast: Cast, count: int = 1, *, tenant: str = "acme", text: str = "Press reset.", question: str = QUESTION
) -> list[AuditRecord]:
    """Records of finished answers, one transaction each."""
    written = []
    for _ in range(count):
        caller = Caller(tenant_id=getattr(cast, tenant).pk, user_id=cast.alice.pk, user_label="Alice")
        source = Source(1, "Press reset to reset.", "doc", "v1", "Reset", "/reset", 0, 21, score=0.9)
        call = Call(caller, (Message("user", question),), sources=(source,), question=question)
        trace = Trace(provider="test", model="m", text=text, reason=FinishReason.STOP, verdict=Verdict("supported"))
        trace.attempts.append({"provider": "test", "ms": 1.0})
        with tenant_scope(caller.tenant_id):
            written.append(writer.append(caller.tenant_id, writer.frozen_completion(call), trace))
    anchor.flush()
    return written


def failure(cast: Cast) -> tuple[int, str]:
    found = verify(cast.acme.pk).failure
    assert found is not None, "nothing was found"
    return found.sequence, found.code


def test_a_record_holds_the_question_the_sources_the_answer_and_the_verdict(cast: Cast) -> None:
    (record,) = write(cast)
    with tenant_scope(cast.acme.pk):
        stored = AuditRecord.objects.select_related("content", "subject__user").get(pk=record.pk)
    data = stored.content.data
    assert (stored.sequence, stored.verdict, stored.model) == (1, "supported", "m")
    assert (stored.subject.user, data["user"]) == (cast.alice, "Alice")
    assert stored.sources == [{"document": "doc", "version": "v1", "start": 0, "end": 21}]
    assert (data["question"], data["answer"]) == ("How do I reset?", "Press reset.")
    assert data["sources"][0]["version"] == "v1"
    assert [(each["role"], each["content"]) for each in data["messages"]] == [("user", "How do I reset?")]


@pytest.mark.threat("A1")
@pytest.mark.parametrize("table", ["gateway_auditrecord", "gateway_auditcontent", "gateway_auditsubject"])
@pytest.mark.parametrize("statement", ["UPDATE {} SET tenant_id = tenant_id", "DELETE FROM {}", "TRUNCATE {} CASCADE"])
@pytest.mark.parametrize("alias", ["default", "owner"])
def test_neither_the_application_nor_the_owner_can_change_a_record(
    cast: Cast, table: str, statement: str, alias: str
) -> None:
    write(cast)
    with pytest.raises(ProgrammingError, match=r"permission denied|append-only"):
        with transaction.atomic(using=alias), connections[alias].cursor() as cursor:
            cursor.execute("SELECT set_config('citedesk.tenant_ids', %s, true)", [f"{{{cast.acme.pk}}}"])
            cursor.execute(statement.format(table))
    connections["owner"].close()
    assert verify(cast.acme.pk).records == 1


@pytest.mark.threat("A2")
def test_an_untouched_chain_is_found_intact(cast: Cast) -> None:
    write(cast, 7)
    write(cast, 2, tenant="mallory_co")
    assert (verify(cast.acme.pk).records, verify(cast.acme.pk).ok) == (7, True)
    assert verify(cast.mallory_co.pk).ok


@pytest.mark.threat("A2")
@pytest.mark.parametrize(
    "change",
    [
        "cost = 9",
        "subject_id = gen_random_uuid()",
        "verdict = 'unsupported'",
        "at = at + interval '1 s'",
        "attempts = '[]'",
    ],
)
def test_an_edited_record_is_located(cast: Cast, tamper: Tamper, change: str) -> None:
    write(cast, 5)
    tamper(f"UPDATE gateway_auditrecord SET {change} WHERE sequence = 3")
    assert failure(cast) == (3, "edited")


@pytest.mark.threat("A2")
def test_an_edited_answer_is_located(cast: Cast, tamper: Tamper) -> None:
    records = write(cast, 5)
    tamper("UPDATE gateway_auditcontent SET body = set_byte(body, 60, 7) WHERE record_id = %s", records[1].pk)
    assert failure(cast) == (2, "content_edited")


@pytest.mark.threat("A2")
def test_a_removed_text_is_located(cast: Cast, tamper: Tamper) -> None:
    records = write(cast, 3)
    tamper("DELETE FROM gateway_auditcontent WHERE record_id = %s", records[2].pk)
    assert failure(cast) == (3, "content_missing")


@pytest.mark.threat("A2")
def test_a_deleted_record_is_located(cast: Cast, tamper: Tamper) -> None:
    write(cast, 5)
    tamper("DELETE FROM gateway_auditrecord WHERE sequence = 3")
    assert failure(cast) == (3, "deleted")


@pytest.mark.threat("A2")
def test_a_deletion_hidden_by_new_numbers_is_located(cast: Cast, tamper: Tamper) -> None:
    write(cast, 5)
    tamper("DELETE FROM gateway_auditrecord WHERE sequence = 3")
    tamper("UPDATE gateway_auditrecord SET sequence = sequence - 1 WHERE sequence > 3")
    assert failure(cast) == (3, "reordered")


@pytest.mark.threat("A2")
def test_reordered_records_are_located(cast: Cast, tamper: Tamper) -> None:
    write(cast, 5)
    for before, after in ((2, 99), (4, 2), (99, 4)):
        tamper("UPDATE gateway_auditrecord SET sequence = %s WHERE sequence = %s", after, before)
    assert failure(cast) == (2, "reordered")


@pytest.mark.threat("A2")
def test_a_cut_tail_is_located_by_the_head(cast: Cast, tamper: Tamper) -> None:
    write(cast, 5)
    tamper("DELETE FROM gateway_auditrecord WHERE sequence > 3")
    assert failure(cast) == (4, "cut_off")


def cut_with_its_head(cast: Cast, tamper: Tamper, last: AuditRecord) -> None:
    tamper("DELETE FROM gateway_auditrecord WHERE sequence > %s AND tenant_id = %s", last.sequence, cast.acme.pk)
    tamper("UPDATE gateway_audithead SET sequence = %s, mac = %s", last.sequence, last.mac)


@pytest.mark.threat("A2")
def test_a_cut_tail_with_the_head_set_back_is_located_by_the_anchor(cast: Cast, tamper: Tamper) -> None:
    cut_with_its_head(cast, tamper, write(cast, 5)[2])
    assert failure(cast) == (4, "cut_off")


@pytest.mark.threat("A2")
def test_a_cut_tail_stays_known_when_the_chain_has_grown_beyond_it(cast: Cast, tamper: Tamper) -> None:
    cut_with_its_head(cast, tamper, write(cast, 5)[2])
    write(cast, 6)
    assert failure(cast) == (4, "replaced")


@pytest.mark.threat("A2")
def test_a_whole_chain_that_is_gone_is_found_by_the_anchor(cast: Cast, tamper: Tamper) -> None:
    write(cast, 3)
    tamper("DELETE FROM gateway_auditrecord")
    tamper("DELETE FROM gateway_audithead")
    assert failure(cast) == (1, "cut_off")


@pytest.mark.threat("A2")
def test_a_forged_head_is_found(cast: Cast, tamper: Tamper) -> None:
    write(cast, 3)
    tamper("UPDATE gateway_audithead SET mac = repeat('0', 64)")
    assert failure(cast) == (3, "head_forged")


@pytest.mark.threat("A2")
def test_a_missing_or_damaged_anchor_is_found(cast: Cast) -> None:
    write(cast, 2)
    path = anchor.folder() / f"{cast.acme.pk}.json"
    path.write_text("{")
    assert failure(cast) == (0, "anchor_damaged")
    path.unlink()
    assert failure(cast) == (2, "anchor_missing")


@pytest.mark.threat("A2", "T1")
def test_a_record_copied_from_another_tenant_is_not_taken_for_ours(cast: Cast, tamper: Tamper) -> None:
    write(cast, 1)
    write(cast, 2, tenant="mallory_co")
    tamper(
        "UPDATE gateway_auditrecord SET tenant_id = %s WHERE tenant_id = %s AND sequence = 2",
        cast.acme.pk,
        cast.mallory_co.pk,
    )
    assert failure(cast) == (2, "edited")


@pytest.mark.threat("A3")
def test_fifty_writers_never_fork_the_chain(cast: Cast) -> None:
    def one(_number: int) -> int:
        try:
            return write(cast)[0].sequence
        finally:
            connection.close()

    with ThreadPoolExecutor(50) as pool:
        numbers = list(pool.map(one, range(100)))

    assert sorted(numbers) == list(range(1, 101))
    assert verify(cast.acme.pk).ok


def test_the_anchor_only_moves_forward(cast: Cast) -> None:
    records = write(cast, 3)
    anchor.advance(cast.acme.pk, (1, records[0].mac))
    found = anchor.read(cast.acme.pk)
    assert found is not None
    assert (found.sequence, found.mac, found.conflict) == (3, records[2].mac, None)


def test_a_transaction_that_is_rolled_back_leaves_no_trace(cast: Cast) -> None:
    write(cast)
    with pytest.raises(ZeroDivisionError), tenant_scope(cast.acme.pk):
        caller = Caller(tenant_id=cast.acme.pk)
        writer.append(cast.acme.pk, writer.frozen_embedding(EmbeddingCall(caller, ("x",))), Trace())
        raise ZeroDivisionError
    assert verify(cast.acme.pk).records == 1
    assert verify(cast.acme.pk).ok


def test_an_embedding_is_audited_by_digest_without_its_texts(cast: Cast) -> None:
    caller = Caller(tenant_id=cast.acme.pk, purpose="index", classification=Classification.INTERNAL)
    call = EmbeddingCall(caller, ("secret one", "secret two"))
    with tenant_scope(cast.acme.pk):
        writer.append(cast.acme.pk, writer.frozen_embedding(call), Trace(model="e", reason=FinishReason.STOP))
        record = AuditRecord.objects.get()
        assert not AuditContent.objects.exists()
    assert (record.kind, record.inputs, record.classification) == ("embedding", 2, "internal")
    assert verify(cast.acme.pk).ok


def test_text_that_the_database_cannot_store_is_kept_as_far_as_it_can_be(cast: Cast) -> None:
    write(cast, text="nul \x00, lone \ud800, emoji 🎈")
    with tenant_scope(cast.acme.pk):
        assert (
            AuditContent.objects.select_related("record__subject").get().data["answer"]
            == "nul \ufffd, lone \ufffd, emoji 🎈"
        )
    assert verify(cast.acme.pk).ok


def test_the_mac_covers_every_field_of_the_record() -> None:
    names = {field.attname for field in AuditRecord._meta.concrete_fields}
    assert set(METADATA) == names - {"mac"}


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats() | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    )
)
def test_what_is_cleaned_is_the_same_after_a_round_trip(value: Any) -> None:
    cleaned = clean(value)
    text = canonical(cleaned)
    assert canonical(json.loads(text)) == text
    assert "\x00" not in text
    assert cleaned is None or not isinstance(cleaned, float) or math.isfinite(cleaned)


def test_numbers_in_metadata_survive_jsonb(cast: Cast) -> None:
    caller = Caller(tenant_id=cast.acme.pk)
    trace = Trace(attempts=[{"x": [0.1, -0.0, 1e-7, 1e22, 5.0, 123456.789, float("nan")]}])
    with tenant_scope(cast.acme.pk):
        writer.append(cast.acme.pk, writer.frozen_embedding(EmbeddingCall(caller, ("x",))), trace)
    assert verify(cast.acme.pk).ok


def test_verify_audit_prints_one_object(cast: Cast) -> None:
    write(cast, 2)
    out = StringIO()
    call_command("verify_audit", "--json", stdout=out)
    report = json.loads(out.getvalue())
    assert (report["records"], report["ok"], report["failure"]) == (2, True, None)
    assert {each["tenant"] for each in report["tenants"]} == {"acme", "mallory"}


def test_verify_audit_fails_with_status_one_and_says_where(cast: Cast, tamper: Tamper) -> None:
    write(cast, 3)
    tamper("UPDATE gateway_auditrecord SET cost = 9 WHERE sequence = 2")
    out = StringIO()
    with pytest.raises(SystemExit) as exit_:
        call_command("verify_audit", "--json", "--tenant", "acme", stdout=out)
    assert exit_.value.code == 1
    failed = json.loads(out.getvalue())["failure"]
    assert failed == {"tenant": "acme", **dataclasses.asdict(Failure(2, "edited", failed["detail"]))}


def test_the_audit_key_never_shows(cast: Cast) -> None:
    from gateway.conf import configured

    assert configured().audit_key not in repr(configured())


def test_an_intruder_without_a_superusers_rights_cannot_switch_the_triggers_off(live_db: TestDatabase) -> None:
    with psycopg.connect(host=str(live_db.folder), user="citedesk_app", dbname=live_db.name) as application:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            application.execute("SET session_replication_role = replica")


@pytest.mark.threat("A2", "A3")
def test_checking_while_others_write_raises_no_false_alarm(cast: Cast) -> None:
    def one(_number: int) -> None:
        try:
            write(cast)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        writing = pool.map(one, range(60))
        found = [(verify(cast.acme.pk).failure, end_fault(cast.acme.pk)) for _ in range(15)]
        list(writing)

    assert set(found) == {(None, None)}


@pytest.mark.threat("A2")
def test_records_are_anchored_soon_and_together(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[int] = []
    done = threading.Event()

    def advance(tenant_id: int, *records: tuple[int, str]) -> None:
        written.append(len(records))
        if sum(written) == 5:
            done.set()

    monkeypatch.setattr(anchor, "advance", advance)
    caller = Caller(tenant_id=cast.acme.pk)
    for _ in range(5):
        with tenant_scope(cast.acme.pk):
            writer.append(cast.acme.pk, writer.frozen_completion(Call(caller, ())), Trace(reason=FinishReason.STOP))
    assert done.wait(30)
    assert len(written) < 5
