"""An export carries its proof: it can be checked without the database, and by strangers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts.tenancy import tenant_scope
from gateway.audit import erasure, keys
from gateway.audit.chain import canonical
from gateway.audit.export import export, sign
from gateway.models import AuditRecord
from tests.conftest import Cast
from tests.gateway.test_audit import write

Line = dict[str, Any]


@pytest.fixture
def exported(cast: Cast, tmp_path: Path) -> Path:
    """Five records of acme, and the tenant's MAC key beside them."""
    write(cast, 5)
    path = tmp_path / "export.jsonl"
    call_command("export_audit", "--tenant", "acme", "--out", path, "--mac-key", tmp_path / "key", stdout=StringIO())
    return path


def lines(path: Path) -> list[Line]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def checked(path: Path, *arguments: str, key: bool = True) -> Line:
    out = StringIO()
    options = ["--mac-key", str(path.with_name("key"))] if key else []
    try:
        call_command("verify_export", str(path), *options, *arguments, "--json", stdout=out)
    except SystemExit as exit_:
        assert exit_.code == 1
    return dict(json.loads(out.getvalue()))


def test_an_export_holds_every_field_the_text_and_the_proof(exported: Path) -> None:
    header, *records, seal = lines(exported)
    assert (header["first"], header["last"], header["head"]["sequence"]) == (1, 5, 5)
    assert [each["fields"]["sequence"] for each in records] == [1, 2, 3, 4, 5]
    assert records[2]["fields"]["previous_mac"] == records[1]["mac"]
    assert records[0]["content"]["question"] == "How do I reset?"
    assert records[0]["fields"]["sources"][0]["version"] == "v1"
    assert seal["records"] == 5
    assert checked(exported) == {"records": 5, "ok": True, "fault": None}
    assert exported.stat().st_mode & 0o077 == 0, "it holds people's words"


def test_a_stranger_checks_it_by_the_public_key_alone(exported: Path) -> None:
    public = lines(exported)[0]["public_key"]
    assert checked(exported, "--public-key", public, key=False)["ok"]
    assert checked(exported, "--public-key", "00" * 32, key=False)["ok"] is False


def edited(number: int, change: Callable[[Line], Any]) -> Callable[[list[Line]], Any]:
    return lambda all_lines: change(all_lines[number])


@pytest.mark.threat("A2")
@pytest.mark.parametrize(
    ("change", "code", "sequence"),
    [
        (edited(3, lambda line: line["fields"].update(cost="9")), "edited", 3),
        (edited(2, lambda line: line["content"].update(answer="No.")), "text", 2),
        (edited(4, lambda line: line["fields"].update(previous_mac="0" * 64)), "edited", 4),
        (lambda all_lines: all_lines.pop(3), "missing", 3),
        (lambda all_lines: all_lines.pop(5), "missing", 5),
        (lambda all_lines: all_lines.insert(2, all_lines.pop(3)), "missing", 2),
    ],
)
def test_a_change_is_located_even_when_the_whole_was_signed_again(
    exported: Path, change: Callable[[list[Line]], Any], code: str, sequence: int
) -> None:
    found = lines(exported)
    change(found)
    body = "".join(canonical(line) + "\n" for line in found[:-1])
    exported.write_text(body + canonical(found[-1]) + "\n")
    assert checked(exported)["fault"]["code"] == "signature"
    found[-1]["signature"] = sign(hashlib.sha256(body.encode()).hexdigest())
    exported.write_text(body + canonical(found[-1]) + "\n")
    fault = checked(exported)["fault"]
    assert (fault["code"], fault["sequence"]) == (code, sequence)


def test_a_cut_or_foreign_file_is_no_export(exported: Path) -> None:
    text = exported.read_text()
    for wrong in (text[: len(text) // 2], "", "[]\n", '{"type":"seal"}\n'):
        exported.write_text(wrong)
        assert checked(exported)["ok"] is False


def test_a_time_span_is_exported_with_what_explains_its_gaps(
    cast: Cast, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = timezone.now()
    with monkeypatch.context() as patch:
        for days in (9, 8, 7, 6):
            moment = now - timedelta(days=days)
            patch.setattr(timezone, "now", lambda moment=moment: moment)
            write(cast)
    with tenant_scope(cast.acme.pk):
        erasure.erase(cast.acme.pk, cast.alice.pk, by=None)
    path = tmp_path / "span.jsonl"
    assert export(cast.acme, path, since=now - timedelta(days=8.5), until=now - timedelta(days=6.5)) == 2
    header, event, *records, _seal = lines(path)
    assert (header["first"], header["last"]) == (2, 3)
    assert event["fields"]["kind"] == "erasure"
    assert [each["text"] for each in records] == ["erased", "erased"]
    assert "Press reset" not in path.read_text()
    assert checked(path, key=False)["ok"]


def test_an_empty_span_is_an_export_too(cast: Cast, tmp_path: Path) -> None:
    path = tmp_path / "none.jsonl"
    assert export(cast.acme, path) == 0
    assert checked(path, key=False)["ok"]


@pytest.mark.threat("T1")
def test_another_tenants_records_are_not_in_it_and_its_key_opens_no_other(cast: Cast, exported: Path) -> None:
    write(cast, tenant="mallory_co", text="Mallory's own.")
    assert "Mallory" not in exported.read_text()
    secret = "x" * 40
    assert keys.tenant_key(secret, 1) != keys.tenant_key(secret, 2)
    with pytest.raises(CommandError, match="There is no tenant"):
        call_command("export_audit", "--tenant", "nobody", "--out", exported)


def test_the_text_of_an_export_is_the_text_that_was_kept(cast: Cast, exported: Path) -> None:
    with tenant_scope(cast.acme.pk):
        first = AuditRecord.objects.select_related("content", "subject").get(sequence=1)
        assert lines(exported)[1]["content"] == first.content.data
