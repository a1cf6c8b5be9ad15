"""Day by day only what is new is read; what was read before is counted, sampled and still pinned."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command

from gateway.audit import anchor, checkpoint, verify
from gateway.audit.verify import verify_new
from tests.conftest import Cast
from tests.gateway.conftest import Tamper
from tests.gateway.test_audit import cut_with_its_head, write


def new(cast: Cast) -> tuple[int, str] | None:
    found = verify_new(cast.acme.pk).failure
    return (found.sequence, found.code) if found else None


@pytest.fixture
def checked(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Twelve records that were found good, and a sample of three from now on; their MACs."""
    macs = [record.mac for record in write(cast, 12)]
    monkeypatch.setattr(verify, "SAMPLE", 3)
    assert new(cast) is None
    return macs


def test_what_was_read_before_is_not_read_again(cast: Cast, checked: list[str]) -> None:
    write(cast, 4)
    found = verify_new(cast.acme.pk)
    assert (found.ok, found.through) == (True, 16)
    assert 4 < found.records <= 4 + 6, "the new ones, three sampled, and those before the sampled"
    assert verify.verify(cast.acme.pk).records == 16


@pytest.mark.threat("A2")
def test_a_fault_in_what_is_new_is_located(cast: Cast, checked: list[str], tamper: Tamper) -> None:
    write(cast, 4)
    tamper("UPDATE gateway_auditrecord SET cost = 9 WHERE sequence = 15")
    assert new(cast) == (15, "edited")


@pytest.mark.threat("A2")
def test_a_record_missing_from_what_was_read_is_located(cast: Cast, checked: list[str], tamper: Tamper) -> None:
    tamper("DELETE FROM gateway_auditrecord WHERE sequence = 5")
    assert new(cast) == (5, "deleted")


@pytest.mark.threat("A2")
def test_an_old_edit_is_found_when_it_is_sampled(
    cast: Cast, checked: list[str], tamper: Tamper, monkeypatch: pytest.MonkeyPatch
) -> None:
    tamper("UPDATE gateway_auditrecord SET cost = 9 WHERE sequence = 5")
    monkeypatch.setattr(verify, "SAMPLE", 12)
    assert new(cast) == (5, "edited")


@pytest.mark.threat("A2")
def test_a_log_set_back_with_head_and_anchor_is_found_by_the_checkpoint(
    cast: Cast, checked: list[str], tamper: Tamper
) -> None:
    path = anchor.folder() / f"{cast.acme.pk}.json"
    before = path.read_text()
    written = write(cast, 3)
    assert new(cast) is None
    tamper("DELETE FROM gateway_auditrecord WHERE sequence > 12")
    tamper("UPDATE gateway_audithead SET sequence = 12, mac = %s", checked[-1])
    path.write_text(before)
    assert written[-1].sequence == 15
    assert new(cast) == (13, "cut_off")


@pytest.mark.threat("A2")
def test_an_anchor_that_was_put_back_is_found(cast: Cast) -> None:
    path = anchor.folder() / f"{cast.acme.pk}.json"
    write(cast, 2)
    before = path.read_text()
    write(cast, 2)
    write(cast)  # its record knows that the two were anchored
    path.write_text(before)
    assert new(cast) == (2, "anchor_replaced")
    write(cast)
    assert new(cast) is None, "it moved on by itself, and nothing is missing"


@pytest.mark.threat("A2")
@pytest.mark.parametrize("text", ["{", '{"data":{"sequence":12},"signature":"00"}'])
def test_a_checkpoint_that_cannot_be_believed_is_not(cast: Cast, checked: list[str], tamper: Tamper, text: str) -> None:
    path = anchor.folder().with_name("audit-checkpoint") / f"{cast.acme.pk}.json"
    assert path.exists()
    path.write_text(text)
    tamper("UPDATE gateway_auditrecord SET cost = 9 WHERE sequence = 5")
    assert checkpoint.read(cast.acme.pk) is None
    assert new(cast) == (5, "edited"), "everything is read"


@pytest.mark.threat("A2")
def test_a_signed_file_of_another_tenant_or_kind_is_refused(cast: Cast) -> None:
    write(cast, 2)
    write(cast, 2, tenant="mallory_co")
    ours, theirs = (anchor.folder() / f"{tenant.pk}.json" for tenant in (cast.acme, cast.mallory_co))
    ours.write_text(theirs.read_text())
    assert new(cast) == (0, "anchor_damaged")


@pytest.mark.threat("A2")
def test_a_damaged_anchor_never_fails_a_call(cast: Cast) -> None:
    write(cast)
    path = anchor.folder() / f"{cast.acme.pk}.json"
    path.write_text("{")
    assert write(cast)[0].sequence == 2
    assert path.read_text() == "{", "it is left for the check to find"


@pytest.mark.threat("A2")
def test_a_tail_that_was_cut_after_the_check_is_found(cast: Cast, tamper: Tamper) -> None:
    records = write(cast, 6)
    assert new(cast) is None
    cut_with_its_head(cast, tamper, records[3])
    assert new(cast) == (5, "cut_off")


def test_the_command_reads_what_is_new_and_all_when_asked(cast: Cast, checked: list[str]) -> None:
    def report(*arguments: str) -> dict[str, Any]:
        out = StringIO()
        call_command("verify_audit", "--tenant", "acme", "--json", *arguments, stdout=out)
        return dict(json.loads(out.getvalue()))

    assert report("--full")["records"] == 12
    daily = report()
    assert daily["records"] <= 6
    assert daily["tenants"][0]["through"] == 12
    assert len(daily["public_key"]) == 64
