"""Finds secrets in what a program sends: private keys, keys of clouds, tokens. All patterns take
linear time.

Does not catch: passwords, keys without a form of their own, and what is encoded, split or misspelt on
purpose.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import NamedTuple


class Kind(StrEnum):
    PRIVATE_KEY = "private_key"  # of SSH, TLS, PGP, PuTTY and age
    CLOUD_KEY = "cloud_key"  # of AWS, Google and Azure
    TOKEN = "token"  # noqa: S105  of GitHub, GitLab, Slack, Stripe, OpenAI, Anthropic and others; JWTs; our own


class Found(NamedTuple):
    """A secret, by its kind and place. The value is left where it is."""

    kind: Kind
    place: str


PATTERNS = {
    Kind.PRIVATE_KEY: (
        r"-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----",
        r"PuTTY-User-Key-File-[0-9]: ",
        r"AGE-SECRET-KEY-1[0-9A-Z]{50}",
    ),
    Kind.CLOUD_KEY: (
        r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
        r"(?i:aws_?secret_?access_?key)[\"']?\s{0,3}[=:]\s{0,3}[\"']?[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+])",
        r"\bAIza[0-9A-Za-z_\-]{35}",
        r"\bAccountKey=[A-Za-z0-9+/]{80,88}={0,2}",
    ),
    Kind.TOKEN: (
        r"\bgh[pousr]_[A-Za-z0-9]{36}",
        r"\bgithub_pat_[A-Za-z0-9_]{50}",
        r"\bglpat-[A-Za-z0-9_\-]{20}",
        r"\bxox[abeoprs]-[A-Za-z0-9\-]{10}",
        r"\b[rs]k_(?:live|test)_[A-Za-z0-9]{16}",
        r"\bsk-(?:proj-|ant-|svcacct-|or-)?[A-Za-z0-9_\-]{20}",
        r"\bnpm_[A-Za-z0-9]{36}",
        r"\bpypi-[A-Za-z0-9_\-]{50}",
        r"\bhf_[A-Za-z0-9]{34}",
        r"\bcdk_[0-9a-f]{12}_[A-Za-z0-9_\-]{40}",
        r"(?<![\w\-])eyJ[A-Za-z0-9_\-]{10,4000}\.eyJ[A-Za-z0-9_\-]{10,4000}\.[A-Za-z0-9_\-]{10}",
    ),
}
SEARCHES = {kind: re.compile("|".join(patterns)) for kind, patterns in PATTERNS.items()}
EXAMPLE = "EXAMPLE"  # how documentation ends the keys that it shows


def secrets_in(texts: Iterable[tuple[str, str]], kinds: Iterable[Kind]) -> Iterator[Found]:
    """What is found in texts, each given with its place, in order."""
    wanted = [(kind, SEARCHES[kind]) for kind in kinds]
    for place, text in texts:
        for kind, search in wanted:
            for match in search.finditer(text):
                if not match[0].endswith(EXAMPLE):
                    yield Found(kind, f"{place}, line {text.count(chr(10), 0, match.start()) + 1}")
