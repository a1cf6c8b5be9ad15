"""An authority confirms the heads of the chains, and its answers hold against the log."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from gateway.audit import timestamps
from gateway.audit.timestamps import TimestampFailed
from gateway.audit.verify import verify
from gateway.tasks import timestamp
from tests.conftest import Cast
from tests.gateway.conftest import Tamper
from tests.gateway.test_audit import failure, write
from tests.servers.timestamp_server import certify, timestamp_server


def use(monkeypatch: pytest.MonkeyPatch, url: str, roots: Path) -> None:
    conf = dataclasses.replace(settings.GATEWAY, timestamp_url=url, timestamp_roots=str(roots))
    monkeypatch.setattr(settings, "GATEWAY", conf)


@pytest.fixture
def authority(cast: Cast, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A running one, configured; the folder of its certificates."""
    folder = tmp_path / "authority"
    folder.mkdir()
    roots = certify(folder)
    with timestamp_server(folder) as url:
        use(monkeypatch, url, roots)
        yield folder


def test_the_head_is_confirmed_once_and_checked(cast: Cast, authority: Path) -> None:
    write(cast, 3)
    assert timestamps.stamp(cast.acme.pk) == 3
    assert timestamps.stamp(cast.acme.pk) is None
    write(cast)
    assert timestamp() == 1
    assert verify(cast.acme.pk).failure is None


@pytest.mark.threat("A2")
def test_a_record_that_is_not_the_confirmed_one_is_located(cast: Cast, authority: Path) -> None:
    write(cast, 3)
    timestamps.stamp(cast.acme.pk)
    kept = settings.GATEWAY.data_dir / "audit-timestamps" / str(cast.acme.pk)
    (kept / "3.tsr").rename(kept / "2.tsr")
    assert failure(cast) == (2, "timestamp_mismatch")
    (kept / "2.tsr").rename(kept / "9.tsr")
    assert failure(cast) == (9, "timestamp_mismatch")


@pytest.mark.threat("A2")
def test_an_answer_that_was_changed_confirms_nothing(cast: Cast, authority: Path, tamper: Tamper) -> None:
    write(cast, 2)
    timestamps.stamp(cast.acme.pk)
    path = settings.GATEWAY.data_dir / "audit-timestamps" / str(cast.acme.pk) / "2.tsr"
    answer = bytearray(path.read_bytes())
    answer[-10] ^= 1
    path.write_bytes(bytes(answer))
    assert failure(cast) == (2, "timestamp_mismatch")


def test_an_authority_under_another_root_is_not_believed(
    cast: Cast, authority: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(cast)
    other = tmp_path / "other"
    other.mkdir()
    use(monkeypatch, settings.GATEWAY.timestamp_url, certify(other))
    with pytest.raises(TimestampFailed):
        timestamps.stamp(cast.acme.pk)


def test_an_authority_that_fails_or_is_not_there_is_reported(
    cast: Cast, authority: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(cast)
    with timestamp_server(authority, status=503) as url:
        use(monkeypatch, url, authority / "root.pem")
        with pytest.raises(CommandError, match="timestamp_failed: acme: the authority answered with status 503"):
            call_command("timestamp_audit", stdout=StringIO())
    with pytest.raises(TimestampFailed, match="cannot be reached"):
        timestamps.stamp(cast.acme.pk)


def test_without_an_authority_nothing_is_asked(cast: Cast) -> None:
    write(cast)
    assert timestamp() == 0
    with pytest.raises(CommandError, match="CITEDESK_TIMESTAMP_URL is not set"):
        call_command("timestamp_audit")


def test_the_command_confirms_every_tenants_head(cast: Cast, authority: Path) -> None:
    write(cast, 2)
    out = StringIO()
    call_command("timestamp_audit", stdout=out)
    assert "acme: record 2 is confirmed" in out.getvalue()
    assert "mallory: nothing new" in out.getvalue()
