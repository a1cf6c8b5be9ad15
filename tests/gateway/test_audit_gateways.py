"""What a gateway in front reported of a call is on the record, sealed like the rest; and records that
were written before that was kept are as good as ever."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from django.urls import reverse

from accounts.tenancy import tenant_scope
from gateway.audit import writer
from gateway.audit.chain import fields_of, mac_of
from gateway.audit.keys import tenant_key
from gateway.audit.verify import verify
from gateway.conf import configured
from gateway.models import AuditRecord
from gateway.types import Call, Caller, FinishReason, Message, Trace
from tests.conftest import Cast
from tests.gateway.conftest import SignIn, Tamper
from tests.gateway.test_audit import failure, write

REPORTS = [{"gateway": "litellm", "id": "abc-1", "cost": "0.00042"}, {"gateway": "litellm"}]


@pytest.fixture
def record(cast: Cast) -> AuditRecord:
    caller = Caller(tenant_id=cast.acme.pk, user_id=cast.alice.pk)
    trace = Trace(provider="openai", model="m", text="Yes.", reason=FinishReason.STOP, policy_version="tenant 3")
    trace.gateways.extend(REPORTS)
    with tenant_scope(cast.acme.pk):
        frozen = writer.frozen_completion(Call(caller, (Message("user", "Well?"),), question="Well?"))
        return writer.append(cast.acme.pk, frozen, trace)


def test_it_is_read_in_the_story(record: AuditRecord, sign_in: SignIn) -> None:
    page = sign_in("ada").get(reverse("admin:gateway_auditrecord_change", args=[record.pk])).content.decode()
    for expected in ("litellm", "abc-1", "says it cost $0.00042", "tenant 3", "This record is as it was written"):
        assert expected in page


def test_it_is_exported_and_verified_elsewhere(cast: Cast, record: AuditRecord, tmp_path: Path) -> None:
    path, out = tmp_path / "export.jsonl", StringIO()
    call_command("export_audit", "--tenant", "acme", "--out", path, "--mac-key", tmp_path / "key", stdout=StringIO())
    exported = json.loads(path.read_text().splitlines()[1])
    assert exported["fields"]["gateways"] == REPORTS
    call_command("verify_export", str(path), "--mac-key", str(tmp_path / "key"), "--json", stdout=out)
    assert json.loads(out.getvalue())["ok"]


@pytest.mark.threat("A2")
@pytest.mark.parametrize("forged", ["[]", '[{"gateway": "litellm"}]', "{}", '""'])
def test_a_report_that_was_changed_is_found(cast: Cast, record: AuditRecord, tamper: Tamper, forged: str) -> None:
    tamper("UPDATE gateway_auditrecord SET gateways = %s::jsonb", forged)
    assert failure(cast) == (1, "edited")


@pytest.mark.threat("A2")
@pytest.mark.parametrize("forged", ['[{"gateway": "litellm"}]', "{}", '""', "null", "0", "false"])
def test_a_report_where_there_was_none_is_found(cast: Cast, tamper: Tamper, forged: str) -> None:
    write(cast)
    tamper("UPDATE gateway_auditrecord SET gateways = %s::jsonb", forged)
    assert failure(cast) == (1, "edited")


def test_records_from_before_are_sealed_as_they_were(cast: Cast) -> None:
    (old,) = write(cast)
    fields = fields_of(old)
    before = {name: value for name, value in fields.items() if name != "gateways"}
    assert mac_of(before, tenant_key(configured().audit_key, cast.acme.pk)) == old.mac
    assert verify(cast.acme.pk).ok
