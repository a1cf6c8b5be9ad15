"""Whatever is done to the log behind the database's back is found, and where; what the product does
itself never is.

`pytest tests/gateway/test_audit_mutations.py --audit-mutations 5000` makes that many.
"""

from __future__ import annotations

import dataclasses
import random
import shutil
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.utils import timezone

from accounts.tenancy import tenant_scope
from gateway.audit import anchor, erasure, retention, writer
from gateway.audit.verify import Failure, verify
from gateway.models import AuditRecord
from gateway.types import Call, Caller, EmbeddingCall, FinishReason, Message, Source, Trace, Verdict
from tests.conftest import Cast, TestDatabase

LENGTH = 24
TABLES = ("gateway_auditrecord", "gateway_auditcontent", "gateway_auditsubject", "gateway_audithead")
SETS = {
    "bigint": "1 + {}", "integer": "1 + {}", "numeric": "0.01 + {}", "boolean": "NOT {}",
    "uuid": "gen_random_uuid()", "timestamp with time zone": "{} + interval '1 us'",
    "character varying": "CASE WHEN {} = 'x' THEN 'y' ELSE 'x' END", "jsonb": "'{{\"x\": 1}}'",
}  # fmt: skip
Where = set[int]  # the numbers at which it may be located


@dataclasses.dataclass
class Chain:
    """A chain of every kind of record, and the intruder who changes it and puts it back."""

    tenant_id: int
    intruder: psycopg.Connection[Any]
    files: Path
    random: random.Random
    anchors: list[str]

    def run(self, statement: str, *parameters: Any) -> list[Any]:
        cursor = self.intruder.execute(statement.encode(), parameters)
        return cursor.fetchall() if cursor.description else []

    def keep(self) -> None:
        for table in TABLES:
            self.run(f"CREATE TABLE kept_{table} AS SELECT * FROM {table}")
        shutil.copytree(self.files, self.files.with_name("kept"))

    def put_back(self) -> None:
        for table in TABLES:
            self.run(f"DELETE FROM {table}; INSERT INTO {table} SELECT * FROM kept_{table}")
        shutil.rmtree(self.files)
        shutil.copytree(self.files.with_name("kept"), self.files)

    def number(self, low: int = 1, high: int | None = None) -> int:
        return self.random.randint(low, self.last if high is None else high)

    @property
    def last(self) -> int:
        return int(self.run("SELECT max(sequence) FROM gateway_auditrecord")[0][0])

    def mac(self, number: int) -> str:
        return str(self.run("SELECT mac FROM gateway_auditrecord WHERE sequence = %s", number)[0][0])

    def move(self, old: int, new: int) -> None:
        self.run("UPDATE gateway_auditrecord SET sequence = %s WHERE sequence = %s", new, old)


def edit(chain: Chain) -> Where:
    """Any field of any record."""
    columns = chain.run(
        "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = 'gateway_auditrecord'"
        " AND column_name NOT IN ('id', 'tenant_id', 'sequence') ORDER BY 1"
    )
    name, type_ = chain.random.choice(columns)
    number = chain.number()
    chain.run(f"UPDATE gateway_auditrecord SET {name} = {SETS[type_].format(name)} WHERE sequence = %s", number)
    return {number}


def renumber(chain: Chain) -> Where:
    number = chain.number()
    chain.move(number, chain.last + chain.random.randint(1, 5))
    return {number, number + 1} if number == LENGTH else {number}


def steal(chain: Chain) -> Where:
    """To another tenant."""
    number = chain.number()
    chain.run("UPDATE gateway_auditrecord SET tenant_id = tenant_id + 1 WHERE sequence = %s", number)
    return {number}


def delete(chain: Chain) -> Where:
    number = chain.number()
    chain.run("DELETE FROM gateway_auditrecord WHERE sequence = %s", number)
    return {number}


def close_the_gap(chain: Chain) -> Where:
    """Delete, and number the rest anew."""
    number = chain.number(1, chain.last - 1)
    chain.run("DELETE FROM gateway_auditrecord WHERE sequence = %s", number)
    for following in range(number + 1, chain.last + 1):
        chain.move(following, following - 1)
    return {number}


def swap(chain: Chain) -> Where:
    one, other = chain.random.sample(range(1, chain.last + 1), 2)
    chain.move(one, -1)
    chain.move(other, one)
    chain.move(-1, other)
    return {min(one, other)}


def insert(chain: Chain) -> Where:
    """A copy of a record, at the end or before the beginning."""
    copied, place = chain.number(), chain.random.choice([0, -7, chain.last + 1])
    names = ", ".join(
        field.column for field in AuditRecord._meta.concrete_fields if field.name not in ("id", "sequence")
    )
    chain.run(
        f"INSERT INTO gateway_auditrecord (id, sequence, {names}) "
        f"SELECT %s, %s, {names} FROM gateway_auditrecord WHERE sequence = %s",
        *(uuid.UUID(int=chain.random.getrandbits(128)), place, copied),
    )
    return {1} if place < 1 else {place}


def cut(chain: Chain) -> Where:
    """The tail, and perhaps the head row is set back too."""
    last = chain.number(0, chain.last - 1)
    mac = chain.mac(last) if last else ""
    chain.run("DELETE FROM gateway_auditrecord WHERE sequence > %s", last)
    if chain.random.random() < 0.7:
        chain.run("UPDATE gateway_audithead SET sequence = %s, mac = %s", last, mac)
    return {last + 1}


def forge_head(chain: Chain) -> Where:
    last = chain.last
    change = chain.random.choice(["mac = repeat('0', 64)", "sequence = sequence - 1", "sequence = sequence + 3"])
    chain.run(f"UPDATE gateway_audithead SET {change}")
    return {last, last + 1}


def lose_head(chain: Chain) -> Where:
    last = chain.last
    chain.run("DELETE FROM gateway_audithead")
    return {last}


def edit_text(chain: Chain) -> Where:
    number, size = chain.random.choice(texts(chain))
    chain.run(
        "UPDATE gateway_auditcontent SET body = set_byte(body, %s, (get_byte(body, %s) + 1) %% 256)" + OF_NUMBER,
        *[chain.random.randrange(size)] * 2,
        number,
    )
    return {number}


def swap_texts(chain: Chain) -> Where:
    one, other = (each[0] for each in chain.random.sample(texts(chain), 2))
    body = "SELECT body FROM gateway_auditcontent" + OF_NUMBER
    first, second = chain.run(body, one)[0][0], chain.run(body, other)[0][0]
    for number, new in ((one, second), (other, first)):
        chain.run("UPDATE gateway_auditcontent SET body = %s" + OF_NUMBER, new, number)
    return {min(one, other)}


def delete_text(chain: Chain) -> Where:
    number, _size = chain.random.choice(texts(chain))
    chain.run("DELETE FROM gateway_auditcontent" + OF_NUMBER, number)
    return {number}


def change_person(chain: Chain) -> Where:
    """Takes away, or puts on another, the row that says who."""
    subject, _user = chain.random.choice(chain.run("SELECT id, user_id FROM gateway_auditsubject ORDER BY created_at"))
    change = chain.random.choice(
        ["DELETE FROM gateway_auditsubject", "UPDATE gateway_auditsubject SET user_id = 4711",
         "UPDATE gateway_auditsubject SET wrapped = set_byte(wrapped, 20, (get_byte(wrapped, 20) + 1) % 256)"]
    )  # fmt: skip
    chain.run(change.replace("% 256", "%% 256") + " WHERE id = %s", subject)
    first = chain.run(
        "SELECT min(sequence) FROM gateway_auditrecord WHERE actor_id = %s OR subject_id = %s", *[subject] * 2
    )
    return {int(first[0][0])}


def bring_back(chain: Chain) -> Where:
    """A person who was erased."""
    ((subject,),) = chain.run("SELECT detail ->> 'subject' FROM gateway_auditrecord WHERE kind = 'erasure'")
    row = "(id, tenant_id, user_id, wrapped, created_at) VALUES (%s, %s, 99, 'x', now())"
    chain.run(f"INSERT INTO gateway_auditsubject {row}", subject, chain.tenant_id)
    first = chain.run("SELECT min(sequence) FROM gateway_auditrecord WHERE subject_id = %s", subject)
    return {int(first[0][0])}


def old_anchor(chain: Chain) -> Where:
    """An anchor as it once was is put back, and perhaps the records are cut to fit."""
    number = chain.number(1, chain.last - 2)
    (chain.files / "audit-anchor" / f"{chain.tenant_id}.json").write_text(chain.anchors[number - 1])
    if chain.random.random() < 0.5:
        mac = chain.mac(number)
        chain.run("DELETE FROM gateway_auditrecord WHERE sequence > %s", number)
        chain.run("UPDATE gateway_audithead SET sequence = %s, mac = %s", number, mac)
        return {number + 1}
    return {number}


def damage_anchor(chain: Chain) -> Where:
    path = chain.files / "audit-anchor" / f"{chain.tenant_id}.json"
    whole = path.read_text()
    place = chain.random.randrange(len(whole))
    other = chain.random.choice([c for c in "0123456789abcdef{}" if c != whole[place]])
    path.write_text(whole[:place] + other + whole[place + 1 :])
    return {0}


def lose_anchor(chain: Chain) -> Where:
    (chain.files / "audit-anchor" / f"{chain.tenant_id}.json").unlink()
    return {chain.last}


OF_NUMBER = " WHERE record_id = (SELECT id FROM gateway_auditrecord WHERE sequence = %s)"
MUTATIONS: list[Callable[[Chain], Where]] = [
    *[edit] * 6, renumber, steal, delete, delete, close_the_gap, swap, swap, insert, cut, cut, forge_head, lose_head,
    edit_text, edit_text, swap_texts, delete_text, change_person, bring_back, old_anchor, old_anchor, damage_anchor,
    lose_anchor,
]  # fmt: skip


def texts(chain: Chain) -> list[tuple[int, int]]:
    """Number and size of each text."""
    return chain.run(
        "SELECT sequence, length(body) FROM gateway_auditcontent JOIN gateway_auditrecord ON id = record_id ORDER BY 1"
    )


def speak(cast: Cast, user: int | None, number: int) -> None:
    caller = Caller(cast.acme.pk, user, "Somebody", subject_id=cast.alice.pk if number % 5 == 0 else None)
    trace = Trace(model="m", text=f"Answer {number}", reason=FinishReason.STOP, verdict=Verdict("supported"))
    trace.attempts.append({"provider": "test", "ms": 1.5})
    source = Source(1, "text", "doc", "v1", "Title", "/t", 0, 4)
    call = Call(caller, (Message("user", f"Question {number}"),), sources=(source,), question=f"Question {number}")
    frozen = writer.frozen_completion(call)
    if number % 6 == 0:
        frozen = writer.frozen_embedding(EmbeddingCall(caller, (f"Question {number}",)))
    with tenant_scope(cast.acme.pk):
        writer.append(cast.acme.pk, frozen, trace)


@pytest.fixture
def chain(cast: Cast, live_db: TestDatabase, monkeypatch: pytest.MonkeyPatch) -> Iterator[Chain]:
    """Answers and embeddings of several people, the oldest texts expired, one person erased."""
    folder = anchor.folder().parent
    people = [cast.alice.pk, cast.adam.pk, cast.ada.pk, None]
    anchors: list[str] = []

    def grown() -> None:
        anchor.flush()
        anchors.append((anchor.folder() / f"{cast.acme.pk}.json").read_text())

    with monkeypatch.context() as patch:
        long_ago = timezone.now() - timedelta(days=40)
        patch.setattr(timezone, "now", lambda: long_ago)
        for number in range(1, 5):
            speak(cast, people[number % 4], number)
            grown()
    with tenant_scope(cast.acme.pk):
        retention.keep_for(cast.acme.pk, 30, by=cast.ada.pk)
    grown()
    retention.expire(cast.acme.pk, timezone.now())
    grown()
    for number in range(7, LENGTH):
        speak(cast, people[number % 4], number)
        grown()
    with tenant_scope(cast.acme.pk):
        erasure.erase(cast.acme.pk, cast.adam.pk, by=cast.ada.pk)
    with live_db.superuser() as intruder:
        intruder.execute("SET session_replication_role = replica")
        try:
            yield Chain(cast.acme.pk, intruder, folder, random.Random(20261125), anchors)
        finally:
            for table in TABLES:
                intruder.execute(f"DROP TABLE IF EXISTS kept_{table}".encode())


@pytest.mark.threat("A2", "A4")
def test_every_mutation_is_located(chain: Chain, pytestconfig: pytest.Config) -> None:
    assert verify(chain.tenant_id).failure is None
    assert chain.last == LENGTH
    chain.keep()
    wrong: list[tuple[str, Where, Failure | None]] = []
    count = pytestconfig.getoption("--audit-mutations")
    for number in range(count):
        mutate = MUTATIONS[number % len(MUTATIONS)]
        expected = mutate(chain)
        found = verify(chain.tenant_id).failure
        if found is None or found.sequence not in expected:
            wrong.append((mutate.__name__, expected, found))
        chain.put_back()
        if number % 50 == 0:
            assert verify(chain.tenant_id).failure is None, "no false alarm"
    assert not wrong, "\n".join(map(str, wrong))
    print(f"{count} mutations, all located")
