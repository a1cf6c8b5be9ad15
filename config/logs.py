"""How a line of the log is written."""

from __future__ import annotations

import logging
import re

from gateway.redaction.masking import masked

CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029]")


class SafeFormatter(logging.Formatter):
    """Control characters are escaped, and what follows the first line (a traceback) is indented, so
    that no text from outside moves the terminal or looks like a record of its own (O6). Keys and mail
    addresses are masked (T12)."""

    def format(self, record: logging.LogRecord) -> str:
        text = CONTROL.sub(
            lambda found: found.group().encode("unicode_escape").decode(), masked(super().format(record))
        )
        return text.replace("\n", "\n    ")
