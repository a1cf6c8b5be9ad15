from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from config.env import Env

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("smtp://me:p%40ss@mail.example.com", ("mail.example.com", 587, "me", "p@ss", False)),
        ("smtps://mail.example.com", ("mail.example.com", 465, "", "", True)),
        ("smtp://mail.example.com:25", ("mail.example.com", 25, "", "", False)),
        ("", None),
    ],
)
def test_a_mail_server_is_read_from_its_url(value: str, expected: object) -> None:
    assert Env(environ={"X": value}).smtp("X") == expected


@pytest.mark.threat("T12")
def test_a_wrong_mail_url_is_refused_without_repeating_its_password() -> None:
    with pytest.raises(ImproperlyConfigured, match="X does not look like") as refused:
        Env(environ={"X": "http://me:hunter2@mail"}).smtp("X")
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("CITEDESK_PORT", "abc", "is not a whole number"),
        ("CITEDESK_PROT", "8000", "Did you mean CITEDESK_PORT?"),
        ("CITEDESK_DATABASE_OWNER_URL", "postgres://o:p@host/x", "CITEDESK_DATABASE_URL is not"),
        ("CITEDESK_DATABASE_URL", "postgres://o:p@host/x", "CITEDESK_SECRET_KEY must be set"),
    ],
)
def test_a_bad_setting_stops_the_start_with_one_sentence(name: str, value: str, sentence: str, tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "CITEDESK_DATA_DIR": str(tmp_path), name: value}
    command = [sys.executable, "manage.py", "serve"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert len(done.stderr.splitlines()) == 1
