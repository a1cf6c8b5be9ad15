"""The log as an operator reads it."""

from __future__ import annotations

import io
import logging
from logging.config import dictConfig

import pytest
from django.conf import settings


@pytest.fixture
def log() -> io.StringIO:
    """What a logger of the product writes with the product's own formatter."""
    written = io.StringIO()
    handler = {"class": "logging.StreamHandler", "formatter": "line", "stream": written}
    dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": settings.LOGGING["formatters"],
            "handlers": {"test": handler},
            "loggers": {"citedesk.test": {"handlers": ["test"], "level": "INFO", "propagate": False}},
        }
    )
    return written


@pytest.mark.threat("O6")
def test_text_from_outside_cannot_forge_a_line_or_move_the_terminal(log: io.StringIO) -> None:
    hostile = "a.md\r\n2026-01-01 00:00:00,000 INFO root all is well \x1b[2J\x9b31m\u2028"
    logging.getLogger("citedesk.test").warning("refused %s", hostile)
    try:
        raise ValueError(hostile)
    except ValueError:
        logging.getLogger("citedesk.test").exception("broke")
    text = log.getvalue()
    assert "all is well" in text
    assert not set("\x1b\x9b\r\u2028") & set(text)
    assert [line for line in text.splitlines() if line.startswith("2026-01-01 00:00:00,000")] == []


@pytest.mark.threat("T12")
def test_keys_and_addresses_are_not_logged(log: io.StringIO) -> None:
    key = "sk-" + "proj-Zq8Xw2Lr5Tn9Vb3Kc7Jd"
    try:
        raise ValueError(f"refused: {key}")
    except ValueError:
        logging.getLogger("citedesk.test").exception("for %s with password=%s", "bob@example.com", "hunter2x9")
    written = log.getvalue()
    assert not [value for value in (key, "bob@example.com", "hunter2x9") if value in written]
    assert "[SECRET]" in written
    assert "[EMAIL]" in written
