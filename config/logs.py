"""How a line of the log is written: for people, or as JSON for a collector.

A record may carry `fields` (`logger.info("…", extra={"fields": {…}})`); nothing else of it is written.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from gateway.redaction.masking import masked
from gateway.telemetry import request_ids

CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029]")
# A line of the log is rid of more than a text that a reader needs whole: of whatever begins like a key.
KEY = re.compile(r"\b(?:(?:[spr]k|cdk|xox[abp]|ghp|glpat)[-_][\w-]{8,}|A[KS]IA\w{12,}|[Bb]earer +[^\s'\"\\]+)")
SHORTEST = 8  # characters of a secret; what is shorter would blank out words


class SafeFormatter(logging.Formatter):
    """Control characters are escaped, and what follows the first line (a traceback) is indented, so
    that no text from outside moves the terminal or looks like a record of its own (O6). The `secrets`,
    what looks like a key, and e-mail addresses are taken out (T12).

    Does not catch: names, and keys of a shape that nobody told us.
    """

    def __init__(self, fmt: str | None = None, *, secrets: Sequence[str] = ()) -> None:
        super().__init__(fmt)
        known = sorted({each for each in secrets if len(each) >= SHORTEST}, key=len, reverse=True)
        self._known = re.compile("|".join(re.escape(each) for each in known)) if known else None

    def format(self, record: logging.LogRecord) -> str:
        record.request_id = request_ids.current() or "-"
        fields = "".join(f" {name}={value}" for name, value in _fields(record).items())
        text = self.masked(super().format(record) + fields)
        escaped = CONTROL.sub(lambda found: found.group().encode("unicode_escape").decode(), text)
        return escaped.replace("\n", "\n    ")

    def masked(self, text: str) -> str:
        text = self._known.sub("[SECRET]", text) if self._known else text
        return masked(KEY.sub("[SECRET]", text))


class JsonFormatter(SafeFormatter):
    """One object on one line: `time`, `level`, `logger`, `message`, `request_id`, the record's fields,
    and `exception`."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "request_id": request_ids.current(),
            **_fields(record),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        # JSON in ASCII escapes all controls but DEL.
        return json.dumps(self._masked_within(line), default=str).replace("\x7f", "\\u007f")

    def _masked_within(self, value: Any) -> Any:
        """Each text of a value that JSON can hold: masked as a whole, the line might be JSON no longer."""
        if isinstance(value, dict):
            return {name: self._masked_within(each) for name, each in value.items()}
        if isinstance(value, list | tuple):
            return [self._masked_within(each) for each in value]
        return value if value is None or isinstance(value, int | float) else self.masked(str(value))


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    return getattr(record, "fields", {})
