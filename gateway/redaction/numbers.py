"""What is told by its form: addresses of mail and machines, phones, cards, accounts, birthdays.

A number that could be anything counts where a word near it says what it is. All repetitions are
bounded, so time is linear in the length of the text.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from gateway.redaction import checks
from gateway.redaction.spans import Kind, Span

NEAR = 60  # characters before a number in which a word may say what it is

EMAIL = re.compile(
    r"(?<![\w.+%-])[\w.!#$%&'*+/=?^`{|}~-]{1,64}@(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.){1,8}[^\W\d_]{2,24}(?![\w-])"
)
SPELLED = re.compile(
    r"(?<![\w.+-])[\w.+-]{1,64}\s?[(\[{]\s?(?:at|@|ät)\s?[)\]}]\s?[\w-]{1,63}"
    r"(?:\s?(?:\.|[(\[{]\s?(?:dot|punkt|\.)\s?[)\]}])\s?[\w-]{1,63}){1,4}",
    re.IGNORECASE,
)
IP4 = re.compile(r"(?<![\w.])\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}(?![\w]|\.\d)")
IP6 = re.compile(r"(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}(?:[0-9A-Fa-f]{1,4}|\d{1,3}(?:\.\d{1,3}){3})?(?![\w:])")
MAC = re.compile(r"(?<![\w:-])[0-9A-Fa-f]{2}(?P<by>[:-])(?:[0-9A-Fa-f]{2}(?P=by)){4}[0-9A-Fa-f]{2}(?![\w:-])")
CARD = re.compile(r"(?<![\w.,+-])\d(?:[ -]?\d){11,18}(?![\w-]|[.,]\d)")
ISSUED = re.compile(  # how the numbers of the networks begin, and how long they are
    r"4\d{12}(?:\d{3}){0,2}|[56]\d{11,18}|3[47]\d{13}|3[0689]\d{12,17}|35\d{14,17}|(?:2131|1800)\d{11}|"
    r"2(?:2[2-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}"
)
CARD_WORDS = re.compile(
    r"\b(?:card|visa|master ?card|amex|maestro|karte|kreditkarte|carte|tarjeta|carta|kaart)\b", re.I
)
IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}\d{2}(?: ?[A-Za-z0-9]{4}){2,7}(?: ?[A-Za-z0-9]{1,3})?(?![A-Za-z0-9])")
PHONE = re.compile(
    r"(?<![\w.,:/=#$€£-])(?:\+|00)?\(?\d{1,5}\)?(?:[ .\u00a0/-]{0,2}\(?\d{1,5}\)?){1,6}"
    r"(?:\s?(?:x|ext\.?|extension)\s?\d{1,6})?(?![\w$€£%°]|[.,:/-]\d)",
    re.IGNORECASE,
)
SHAPES = re.compile(
    r"(?:\+|00)[1-9]|\(\d{1,5}\)[ .-]?\d{2,4}|\d{3}[-. ]\d{3}[-. ]\d{4}(?!\d)|0\d(?:[ .]\d\d){4}$|"
    r"\d{2}-\d{2}-\d{2}-\d{2}$|"
    r"0\d{2,4}[ /-]\d{3,4}[ -]?\d{2,4}|0\d{3} \d{2} \d{2} \d{2}|0\d{3} \d{3} \d{2} \d{2}|0\d{2} \d{3} \d{4}"
)
PHONE_WORDS = re.compile(
    r"\b(?:phone|tel|telephone|telefon|tél|téléphone|teléfono|telefono|telefoon|mobile|mobil|móvil|handy|cell|fax|"
    r"call|calling|called|ring|texts?|sms|whatsapp|dial|reach|contact|contacted|contacting|landline|hotline|office|"
    r"desk|home|work|number|nummer|numéro|número|messages?)\b",
    re.IGNORECASE,
)
NOT_PHONE = re.compile(
    r"\b(?:version|release|build|ports?|error|code|bug|issue|ticket|order|invoice|pages?|step|section|article|"
    r"chapter|rfc|isbn|years?|between|from \d+|kb|mb|gb|px|ms|card|account|bytes|windows)\W{0,3}$",
    re.IGNORECASE,
)
VERSION = re.compile(r"(?:version|release|\bv)\.? ?$", re.IGNORECASE)
IS_DATE = re.compile(
    r"(?:19|20)\d\d[-./ ]\d{1,2}[-./ ]\d{1,2}(?: \d{1,2})?|\d{1,2}[-./ ]\d{1,2}[-./ ](?:19|20)\d\d|"
    r"(?:19|20)\d\d ?[-/] ?(?:19|20)?\d\d"
)
EXTENSION = re.compile("x|ext", re.IGNORECASE)
CALLED_IBAN = re.compile("iban", re.IGNORECASE)
MONTH = r"[^\W\d_]{3,10}\.?"
DATE = (
    r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.] ?\d{1,2}[-/.] ?(?:\d{4}|\d{2})|"
    rf"\d{{1,2}}(?:st|nd|rd|th|\.)?(?: of)? ?(?:de )?{MONTH},? ?(?:de )?\d{{4}}|"
    rf"{MONTH} \d{{1,2}}(?:st|nd|rd|th)?,? \d{{4}}"
)
BIRTH = re.compile(
    r"\b(?:born|d\.?o\.?b\.?|date of birth|birth ?date|birthday|geboren|geburtsdatum|geb\.|née?|date de naissance|"
    r"nacid[oa]|fecha de nacimiento|nat[oa]|data di nascita|geboortedatum)"
    r"(?:\s{1,2}(?:on|is|was|am|ist|le|el|il|op)(?: the)?)?\s{0,2}[:=(-]?\s{0,3}"
    rf"(?P<date>{DATE})(?!\d)",
    re.IGNORECASE,
)


def said_before(text: str, at: int, words: re.Pattern[str]) -> bool:
    return words.search(text, max(0, at - NEAR), at) is not None


def numbers(text: str) -> Iterator[Span]:
    if "@" in text or "(at" in text or "[at" in text:
        yield from (Span(*found.span(), Kind.EMAIL) for found in EMAIL.finditer(text))
        yield from (Span(*found.span(), Kind.EMAIL) for found in SPELLED.finditer(text))
    yield from _machines(text)
    yield from _cards(text)
    yield from (Span(*found.span(), Kind.IBAN) for found in IBAN.finditer(text) if _is_iban(text, found))
    yield from _phones(text)
    yield from (Span(*found.span("date"), Kind.BIRTH) for found in BIRTH.finditer(text))


def _machines(text: str) -> Iterator[Span]:
    for found in IP4.finditer(text):
        version = VERSION.search(text, max(0, found.start() - 10), found.start())
        if version is None and _of_somebody(found.group()):
            yield Span(*found.span(), Kind.IP)
    if ":" in text or "-" in text:
        yield from (Span(*found.span(), Kind.MAC) for found in MAC.finditer(text))
    if ":" in text:
        yield from (Span(*found.span(), Kind.IP) for found in IP6.finditer(text) if _of_somebody(found.group()))


def _of_somebody(text: str) -> bool:
    """Whether it is an address that a machine may have: no mask, no loopback, no clock."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    if address.version == 6 and len(text) < 6:
        return False
    return not (address.is_loopback or address.is_unspecified or address.is_multicast or text.startswith("255."))


def _cards(text: str) -> Iterator[Span]:
    for found in CARD.finditer(text):
        number = checks.digits(found.group())
        if number[0] == "0" or len(set(number)) == 1:
            continue
        issued = ISSUED.fullmatch(number) is not None
        if (issued and checks.luhn(number)) or said_before(text, found.start(), CARD_WORDS):
            yield Span(*found.span(), Kind.CARD)


def _is_iban(text: str, found: re.Match[str]) -> bool:
    """By its check digits; with a wrong digit, where it is called an IBAN."""
    value = found.group()
    return checks.iban(value) or (said_before(text, found.start(), CALLED_IBAN) and value[:2].isupper())


def _phones(text: str) -> Iterator[Span]:
    for found in PHONE.finditer(text):
        value = found.group()
        number = checks.digits(EXTENSION.split(value, maxsplit=1)[0])
        if not 6 <= len(number) <= 15 or IS_DATE.fullmatch(value):
            continue
        before = text[max(0, found.start() - 24) : found.start()]
        if NOT_PHONE.search(before):
            continue
        if (SHAPES.match(value) and len(number) >= 8) or said_before(text, found.start(), PHONE_WORDS):
            start = found.start()
            yield Span(start, found.end() - (len(value) - len(value.rstrip(" .-/"))), Kind.PHONE)
