"""Keys, tokens and passwords, by the form that their makers gave them or by the word before them.

Does not catch: a secret of no known form with no word before it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from gateway.redaction.spans import Kind, Span

FORMS = re.compile(
    r"""(?<![A-Za-z0-9])(?:
      sk-[A-Za-z0-9_-]{16,250} | (?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{10,250} | whsec_[A-Za-z0-9+/=]{16,100}
    | cdk_[A-Za-z0-9]{4,40}_[A-Za-z0-9_-]{16,100}
    | gh[pousr]_[A-Za-z0-9]{20,255} | github_pat_[A-Za-z0-9_]{20,255} | gl(?:pat|dt|rt|ptt)-[A-Za-z0-9_.-]{16,120}
    | xox[abeoprs]-[A-Za-z0-9-]{10,250} | xapp-[A-Za-z0-9-]{10,250}
    | (?:AKIA|ASIA|AROA|AIDA)[A-Z0-9]{16} | AIza[A-Za-z0-9_-]{30,45} | ya29\.[A-Za-z0-9_-]{20,250}
    | GOCSPX-[A-Za-z0-9_-]{20,60} | SG\.[A-Za-z0-9_-]{16,40}\.[A-Za-z0-9_-]{16,60}
    | (?:hf|npm|dop_v1|doo_v1|shpat|shpss|pul|dckr_pat|tskey|lin_api|figd|sntrys|rubygems|nvapi|gsk|r8|xai|pplx|fw)
      [_-][A-Za-z0-9_-]{16,250}
    | pypi-[A-Za-z0-9_-]{30,250} | PMAK-[a-f0-9]{24}-[a-f0-9]{34} | EAA[A-Za-z0-9]{40,250}
    | \d{8,10}:AA[A-Za-z0-9_-]{33} | hvs\.[A-Za-z0-9_-]{20,250} | ATATT3[A-Za-z0-9_=-]{20,250}
    | eyJ[A-Za-z0-9_-]{8,1500}\.[A-Za-z0-9_-]{8,3000}(?:\.[A-Za-z0-9_-]{0,1500})?
    )(?![A-Za-z0-9])""",
    re.VERBOSE,
)
HOOK = re.compile(r"https://hooks\.slack\.com/services/([A-Za-z0-9/]{20,120})")
PEM = re.compile(
    r"-----BEGIN (?:[A-Z]{2,12} ){0,2}PRIVATE KEY(?: BLOCK)?-----[^-]{0,8000}"
    r"(?:-----END (?:[A-Z]{2,12} ){0,2}PRIVATE KEY(?: BLOCK)?-----)?"
)
CREDENTIALS = re.compile(r"(?<![A-Za-z0-9])[A-Za-z][A-Za-z0-9+.-]{1,20}://([^\s/@:\"'<>]{0,100}:[^\s/@\"'<>]{1,200})@")
QUERY = re.compile(
    r"[?&](?:access_token|token|api_?key|key|secret|password|passwd|pwd|sig|signature|code|auth|session|"
    r"X-Amz-Signature)=([^\s&#\"'<>]{8,2000})",
    re.IGNORECASE,
)
BEARER = re.compile(r"\b(?:Bearer|Basic)\s{1,3}([A-Za-z0-9._~+/=-]{16,2000})")
NAMED = re.compile(
    r"""(?<![A-Za-z])(?:pass(?:word|wd|phrase|code)?|passwort|kennwort|mot\ de\ passe|contraseña|wachtwoord|
      (?:api|access|secret|private|auth|account|encryption|license|recovery|client)[ _-]?(?:key|token|secret|code)|
      secret|token|credentials?|pin(?:\ ?code)?|pwd|2fa\ code|otp)
      (?:\ {0,2}(?:is|was|ist|lautet|est|es))?["']?\s{0,2}[:=]?\s{0,2}["']?
      (?P<value>[^\s"'<>,;]{4,500})""",
    re.VERBOSE | re.IGNORECASE,
)
SEPARATED = re.compile(r"[:=]|\b(?:is|was|ist|lautet|est|es)\b", re.IGNORECASE)
HAS_FORM = re.compile(
    r"sk-|_|gh|gl|xox|xapp|AKIA|ASIA|AROA|AIDA|AIza|ya29|GOCSPX|SG\.|pypi|PMAK|EAA|:AA|hvs|ATATT|eyJ|-"
)


def secrets(text: str) -> Iterator[Span]:
    if HAS_FORM.search(text):
        for found in FORMS.finditer(text):
            if _mixed(found.group()):
                yield Span(*found.span(), Kind.SECRET)
    if "PRIVATE KEY" in text:
        yield from (Span(*found.span(), Kind.SECRET) for found in PEM.finditer(text))
    if "://" in text:
        for pattern in (CREDENTIALS, QUERY, HOOK):
            yield from (Span(*found.span(1), Kind.SECRET) for found in pattern.finditer(text))
    yield from (Span(*found.span(1), Kind.SECRET) for found in BEARER.finditer(text))
    yield from _named(text)


def _named(text: str) -> Iterator[Span]:
    """What a word announces, if it looks made up by a machine or by somebody who was asked for a
    special character: `password: hunter2!`, but not `password: required`."""
    for found in NAMED.finditer(text):
        start, end = found.span("value")
        value = text[start:end].rstrip(".)]}")
        announced = SEPARATED.search(text, found.start(), start) is not None
        if announced and len(value) >= 4 and _made_up(value):
            yield Span(start, start + len(value), Kind.SECRET)


def _made_up(value: str) -> bool:
    letters = any(each.isalpha() for each in value)
    numbers = any(each.isdigit() for each in value)
    special = any(not each.isalnum() and each not in "-_./:()[]{}*…" for each in value)
    return (letters and numbers) or (numbers and len(value) >= 4) or (letters and special and len(value) >= 6)


def _mixed(value: str) -> bool:
    """A word with hyphens may begin like a key; a key has digits or both cases."""
    return any(each.isdigit() for each in value) or (value != value.lower() and value != value.upper())
