"""How fast the audit log is verified, and what one record costs to append.

    .venv/bin/python bench/audit.py [RECORDS]

Makes RECORDS (1,000,000 unless said) synthetic answers of one tenant in a database of its own, with
prompts and sources of the usual size, and walks them: all, then a thousand new ones since the
checkpoint. Then appends 300 by the product's own path and counts statements and milliseconds.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
import time
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

DATA = Path(tempfile.mkdtemp(prefix="citedesk-bench-"))
os.environ["CITEDESK_DATA_DIR"] = str(DATA)
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"

import django

django.setup()

import psycopg
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.commands import migrate
from accounts.models import Tenant
from accounts.tenancy import tenant_scope
from config.postgres.embedded import socket_folder
from gateway.audit import anchor, keys, writer
from gateway.audit.chain import COST_PLACES, canonical, fields_of, mac_of
from gateway.audit.verify import verify, verify_new
from gateway.models import AuditHead, AuditRecord, AuditSubject
from gateway.types import Call, Caller, FinishReason, Message, Source, Trace, Verdict

USERS = 2_000
PIECE = 20_000
WORDS = ["the", "lamp", "resets", "when", "you", "press", "its", "key", "for", "five", "seconds", "until", "green"]


def prose(words: int) -> str:
    return " ".join(random.choices(WORDS, k=words))


def text() -> str:
    sources = [
        {"marker": n, "text": prose(90), "document": str(uuid.uuid4()), "version": str(uuid.uuid4())} for n in range(6)
    ]
    prompt = "\n".join(source["text"] for source in sources)
    messages = [{"role": "system", "content": prose(120)}, {"role": "user", "content": prompt}]
    return canonical({"question": prose(12), "messages": messages, "sources": sources, "answer": prose(60)})


def make(tenant: Tenant, count: int) -> None:
    """Copies `count` sealed and chained records into the tables, in pieces."""
    made_at = datetime.now(UTC) - timedelta(days=300)
    people = []
    with tenant_scope(tenant.pk):
        for user in range(1, USERS + 1):
            subject = AuditSubject(id=uuid.uuid4(), tenant=tenant, user_id=user, created_at=made_at)
            subject.wrapped = keys.new_data_key(tenant.pk, subject.pk, user)
            people.append((subject.pk, subject.key(), subject))
        AuditSubject.objects.bulk_create(each[2] for each in people)
    texts = [text() for _ in range(200)]
    mac_key, mac = keys.tenant_key(settings.GATEWAY.audit_key, tenant.pk), ""
    for first in range(1, count + 1, PIECE):
        records, contents = [], []
        for sequence in range(first, min(first + PIECE, count + 1)):
            subject_id, key, _row = random.choice(people)
            record = synthetic(tenant, sequence, subject_id, made_at + timedelta(seconds=20 * sequence))
            sealed, record.content_digest = keys.seal(key, record.pk, random.choice(texts))
            record.previous_mac, record.anchored = mac, max(0, sequence - 1)
            mac = record.mac = mac_of(fields_of(record), mac_key)
            records.append(record)
            contents.append((record.pk, tenant.pk, sealed))
        copy(records, contents)
    with tenant_scope(tenant.pk):
        AuditHead.objects.create(tenant=tenant, sequence=count, mac=mac)
    anchor.advance(tenant.pk, (count, mac))
    with superuser() as connected:
        connected.execute("ANALYZE")


def superuser() -> psycopg.Connection[Any]:
    return psycopg.connect(host=str(socket_folder(DATA / "postgres")), user="postgres", dbname="citedesk")


def synthetic(tenant: Tenant, sequence: int, subject_id: uuid.UUID, at: datetime) -> AuditRecord:
    sources = [{"document": str(uuid.uuid4()), "version": str(uuid.uuid4()), "start": 0, "end": 540} for _ in range(6)]
    return AuditRecord(
        id=uuid.UUID(int=random.getrandbits(128)), tenant=tenant, sequence=sequence, at=at,
        kind="completion", task="answer", purpose="answer", classification="personal",
        actor_id=subject_id, subject_id=subject_id, conversation_id=str(uuid.uuid4()),
        provider="openai", model="small", model_version="small-2026", prompt_version="answer-1",
        inputs=2, sources=sources, input_tokens=1200, output_tokens=90, cost=COST_PLACES * 1_500_000,
        finish_reason="stop", verdict="supported",
        timings={"queue_ms": 3.2, "first_token_ms": 310.5, "total_ms": 1402.1, "checked_ms": 22.0},
        attempts=[{"provider": "openai", "model": "small", "ms": 310.5}],
    )  # fmt: skip


def copy(records: list[AuditRecord], contents: list[tuple[Any, ...]]) -> None:
    fields = AuditRecord._meta.concrete_fields
    # As a superuser: row-level security knows no COPY.
    with superuser() as connected, connected.cursor() as cursor:
        columns = ", ".join(f'"{field.column}"' for field in fields)
        with cursor.copy(f"COPY gateway_auditrecord ({columns}) FROM STDIN") as rows:
            for record in records:
                rows.write_row([field.get_db_prep_save(getattr(record, field.attname), connection) for field in fields])
        with cursor.copy("COPY gateway_auditcontent (record_id, tenant_id, body) FROM STDIN") as rows:
            for content in contents:
                rows.write_row(content)


def append(tenant: Tenant) -> None:
    sources = tuple(Source(n, prose(90), str(uuid.uuid4()), str(uuid.uuid4()), "t", "/t", 0, 540) for n in range(6))
    call = Call(Caller(tenant.pk, 1, "A person"), (Message("user", prose(700)),), sources=sources, question=prose(12))
    trace = Trace(model="small", text=prose(60), reason=FinishReason.STOP, verdict=Verdict("supported"))
    with tenant_scope(tenant.pk):
        writer.append(tenant.pk, writer.frozen_completion(call), trace)


def timed(label: str, work: Any, *arguments: Any) -> Any:
    began, own = time.perf_counter(), time.process_time()
    result = work(*arguments)
    spent, own = time.perf_counter() - began, time.process_time() - own
    count = getattr(result, "records", None)
    rate = f", {count / spent:,.0f} records/s" if count else ""
    print(f"{label}: {spent:.1f} s ({own:.1f} s of it on our processor){rate}", flush=True)
    return result


def main(count: int) -> None:
    migrate()
    tenant = Tenant.objects.create(slug="bench", name="Bench")
    timed(f"made {count:,} records", make, tenant, count)
    with tenant_scope(tenant.pk), connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_total_relation_size('gateway_auditrecord'), pg_total_relation_size('gateway_auditcontent')"
        )
        sizes = cursor.fetchone()
    print(f"bytes per record: {sizes[0] / count:,.0f} metadata with indexes, {sizes[1] / count:,.0f} text")
    whole = timed("verified all", verify, tenant.pk)
    assert whole.ok, whole
    spent = []
    for _ in range(300):
        began = time.perf_counter()
        append(tenant)
        spent.append((time.perf_counter() - began) * 1000)
    with CaptureQueriesContext(connection) as queries:
        append(tenant)
    print(f"appended: median {median(spent):.2f} ms, {len(queries)} statements in the transaction of the record")
    new = timed("verified what is new", verify_new, tenant.pk)
    assert new.ok, new
    sys.stdout.flush()


if __name__ == "__main__":
    main(int(sys.argv[1].replace(",", "")) if len(sys.argv) > 1 else 1_000_000)
