"""Numbers that states give to persons: by their check digits where they have them, by their form
where nothing else has it, and otherwise by the word before them.

Does not catch: the numbers of countries that are not in the table, without a word before them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from gateway.redaction import checks
from gateway.redaction.numbers import NEAR, said_before
from gateway.redaction.spans import Kind, Span


@dataclass(frozen=True)
class Identity:
    """`words` None: the form and the check say enough. Otherwise one of them has to stand before."""

    form: re.Pattern[str]
    check: Callable[[str], bool]
    words: re.Pattern[str] | None = None


def _form(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w-])(?:{pattern})(?![\w-])")


def _words(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"(?i)\b(?:{pattern})\b")


TABLE = (
    Identity(_form(r"\d{3}-\d{2}-\d{4}"), checks.us_ssn),
    Identity(_form(r"\d{3}[ ]?\d{2}[ ]?\d{4}"), checks.us_ssn, _words(r"ssn|social security|socials?")),
    Identity(_form(r"(?!BG|GB|KN|NK|NT|TN|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d\d ?\d\d ?\d\d ?[A-D]"), bool),
    Identity(_form(r"\d{3}[ -]?\d{3}[ -]?\d{4}"), checks.nhs, _words(r"nhs|patient")),
    Identity(_form(r"[XYZ]-?\d{7}-?[A-Z]|\d{8}-?[A-Z]"), checks.dni),
    Identity(_form(r"[A-Za-z]{6}\d\d[A-EHLMPRSTa-ehlmprst]\d\d[A-Za-z]\d{3}[A-Za-z]"), checks.codice_fiscale),
    Identity(_form(r"[12] ?\d\d ?(?:0[1-9]|1[0-2]|[2-4]\d) ?\d\d ?\d{3} ?\d{3} ?\d\d"), checks.nir),
    Identity(_form(r"\d\d ?\d{3} ?\d{3} ?\d{3}"), checks.steuer_id, _words(r"steuer\S{0,20}|idnr|tin|tax id\w*")),
    Identity(_form(r"756\.?\d{4}\.?\d{4}\.?\d\d"), checks.ahv),
    Identity(_form(r"(?:0[1-9]|[12]\d|3[01])(?:0[1-9]|1[0-2])\d\d[-+A-FU-Y]\d{3}[0-9A-FHJ-NPR-Y]"), checks.hetu),
    Identity(_form(r"\d\d\.\d\d\.\d\d-\d{3}\.\d\d"), checks.rijksregister),
    Identity(_form(r"\d{3}\.\d{3}\.\d{3}-\d\d"), checks.cpf),
    Identity(_form(r"\d{11}"), checks.cpf, _words("cpf")),
    Identity(_form(r"\d{11}"), checks.pesel, _words("pesel")),
    Identity(_form(r"\d{6} ?\d{5}"), checks.fodselsnummer, _words(r"fødselsnummer|personnummer|fnr")),
    Identity(_form(r"\d{9}"), checks.bsn, _words(r"bsn|burgerservicenummer|sofinummer")),
    Identity(_form(r"(?:19|20)?\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])[-+]\d{4}"), checks.personnummer),
    Identity(_form(r"\d{6}-\d{4}"), checks.six_digit_date, _words("cpr|cpr-nr|personnummer|kennitala")),
    Identity(_form(r"\d{3}[ -]\d{3}[ -]\d{3}"), checks.luhn, _words("sin|social insurance")),
    Identity(_form(r"[2-9]\d{3}[ -]?\d{4}[ -]?\d{4}"), checks.verhoeff, _words("aadhaar|aadhar|uidai")),
    Identity(_form(r"[A-Z]{3}[ABCFGHLJPT][A-Z]\d{4}[A-Z]"), bool),
)  # fmt: skip
NAMED = re.compile(
    r"\b(?:passport|reisepass|passeport|pasaporte|driver'?s? licen[cs]e|driving licen[cs]e|führerschein|"
    r"identity card|national id|id card|personalausweis|tax (?:id|number)|taxpayer|social security|insurance number|"
    r"ssn|nif|nie|curp|medicare)(?: (?:number|no\.?|nr\.?|nummer|#|card))?(?: (?:is|ist|est|es))?\s{0,2}[:#=]?\s{0,2}"
    r"(?P<value>[A-Z0-9](?:[ -]?[A-Z0-9]){5,19})(?![\w-])",
    re.IGNORECASE,
)
DIGITS = re.compile(r"\d\d")
REACH = 24  # characters around two digits in which a whole number lies


def _zones(text: str) -> Iterator[tuple[int, int]]:
    """Where numbers are. A zone ends between words, lest half a number look like a whole one."""
    begin = end = -1
    for found in DIGITS.finditer(text):
        if found.start() < end:
            end = max(end, found.end() + REACH)
            continue
        if begin >= 0:
            yield begin, _word_end(text, end)
        begin, end = max(0, found.start() - REACH), found.end() + REACH
    if begin >= 0:
        yield begin, _word_end(text, end)


def _word_end(text: str, at: int) -> int:
    limit = min(len(text), at + REACH)
    while at < limit and not text[at].isspace():
        at += 1
    return min(at, len(text))


def identities(text: str) -> Iterator[Span]:
    for begin, end in _zones(text):
        for identity in TABLE:
            for found in identity.form.finditer(text, begin, end):
                if identity.check(found.group()) and (
                    identity.words is None or said_before(text, found.start(), identity.words)
                ):
                    yield Span(*found.span(), Kind.ID)
        yield from _named(text, max(0, begin - NEAR), end)


def _named(text: str, begin: int, end: int) -> Iterator[Span]:
    """What a word announces, whatever its form."""
    for found in NAMED.finditer(text, begin, end):
        first, last = found.span("value")
        value = text[first:last]
        if sum(each.isdigit() for each in value) >= 4 and value == value.upper():
            yield Span(first, last, Kind.ID)
