"""Postal addresses: a street with its number, and the lines that go on from there.

Streets are known by what their names end or begin with in the languages that we know; where a word
says that an address follows, by their form alone.

Does not catch: a street without a number, or a number without a street.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from gateway.redaction.spans import Kind, Span
from gateway.redaction.tokens import Token
from gateway.redaction.words import listed, names

ENGLISH = listed("street words")
UNMISTAKABLE = listed("certain street words")
ENDINGS = tuple(listed("street endings"))
APART = listed("street words apart")
LED = listed("street leads")
INSIDE = listed("within streets")
NUMBER = re.compile(r"\d{1,5}[A-Za-z]?")
BOX = re.compile(
    r"\b(?:PSC \d{1,5},? ?Box \d{1,6}|(?i:p\.? ?o\.? ?box|postbox|postfach|boîte postale|post office box) \d{1,7}|"
    r"(?:Unit|CMR) \d{1,6},? ?Box \d{1,6}|US(?:NS|CGC|S|NV) [A-Z]\w{1,20}(?=\s{1,2}FPO))"
)
CORNER = re.compile(r"(?i:\bthe corner of )[^\n.;]{3,50}? and \w{2,20}(?: \w{2,20})?")
ROOM_WORD = r"(?:Suite|Apt\.?|Apartment|Unit|Flat|Floor|Room|Ste\.?|Bldg\.?|Wohnung|#)"
ROOM = rf"{ROOM_WORD} ?#?\d{{1,5}}[A-Za-z]?(?!\w)"
GAP = r"(?:,? |,?\s{0,2}\n[>?*#\t ]{0,6}|\s{0,2}\n?[>?*# ]{0,4}, ?\n?)"
BIG = r"[^\W\d_a-zà-öø-ÿ][^\W\d_]{1,25}"  # a word with a capital letter
ZIP = (
    r"(?:\d{5}(?:-\d{4})?|\d{4}(?: [A-Z]{2}(?![A-Za-z]))?|\d{6}|\d{3} \d{2}|[A-Z]{1,2}\d[A-Z\d]? \d[A-Z]{2}|"
    r"[A-Z]\d[A-Z] ?\d[A-Z]\d)(?!\w)"
)
TOWN = (
    rf"(?:{BIG}[.'’-]?[^\W\d_]{{0,15}}(?: (?:de|la|del|do|da|am|an|der|upon|{BIG}(?:\s?\([^\W\d_]{{2,12}}\))?)){{0,4}})"
)
REGION = r"(?:[A-Z]{2,3}|nan|\d{1,2})(?!\w)"
ROOMS = re.compile(rf"(?:{GAP}{ROOM}){{1,3}}")
TO_ZIP = re.compile(
    rf"(?:{GAP}{TOWN})?(?:{GAP}{REGION})?(?:{GAP}{TOWN})?{GAP}{ZIP}|{GAP}{ZIP}{GAP}{TOWN}|"
    rf"{GAP}(?:APO|FPO|DPO) A[AEP] \d{{5}}"
)
TO_TOWN = re.compile(rf"{GAP}{TOWN}(?:{GAP}{REGION})?(?:{GAP}{TOWN})?")
LAST = re.compile(rf"{GAP}({TOWN})")
BEFORE = re.compile(rf"(?:{ROOM},? )?(?:\d{{2,6}} )?\Z")
ROOM_FOLLOWS = re.compile(rf"\s{{0,3}}{ROOM_WORD}")
SAID_TWICE = re.compile(r" (?:street|str|streets)\b")
ANNOUNCED = re.compile(
    r"\b(?:address(?:es)?|addr|adresse|dirección|indirizzo|adres|lives?|living|lived|located|resid(?:e[sd]?|ent)|"
    r"ship|shipped|deliver(?:ed|y)?|sent? it|moved?|office|restaurant|meet(?: you| me)?|wohne|wohnt|house|"
    r"validate the following)\b[^.\n]{0,30}$",
    re.IGNORECASE,
)


def addresses(text: str, words: list[Token]) -> Iterator[Span]:
    last = -1
    for start, end in sorted({*_streets(text, words), *_boxes(text)}):
        if start < last:
            continue
        if before := BEFORE.search(text, max(0, start - 24), start):
            start = before.start()
        last = _to_the_end(text, end)
        yield Span(start, last, Kind.ADDRESS)


def _boxes(text: str) -> Iterator[tuple[int, int]]:
    if "ox " in text or "OX " in text or "ostfach" in text or "FPO" in text or "postale" in text:
        yield from (found.span() for found in BOX.finditer(text))
    if "orner of" in text:
        yield from (found.span() for found in CORNER.finditer(text))


def _streets(text: str, words: list[Token]) -> Iterator[tuple[int, int]]:
    for place, word in enumerate(words):
        found = None
        if word.low in LED:
            found = _led(words, place)
        if found is None and word.low in ENGLISH and (word.capital or word.low in UNMISTAKABLE):
            found = _english(words, place)
        if found is None and place + 1 < len(words) and _house(text, words, place):
            found = _numbered(text, words, place)
        if found is not None:
            yield found


def _numbered(text: str, words: list[Token], place: int) -> tuple[int, int] | None:
    """A word before a number: whether it is a street, and from where."""
    word, end = words[place], words[place + 1].end
    noticed = word.capital or not word.text.isascii() or len(word.low) > 7
    if noticed and len(word.low) > 4 and word.low.endswith(ENDINGS):
        return _back(words, place, 2), end
    if word.low in APART and place and words[place - 1].text[0].isalpha():
        return _back(words, place, 3), end
    if word.capital and len(word.low) > 3 and _announced(text, words, place):
        return _back(words, place, 3), end
    return None


def _led(words: list[Token], place: int) -> tuple[int, int] | None:
    """`12 rue de la Paix`, `Calle Mayor 5`."""
    at = place + 1
    while at < len(words) and at - place < 7 and words[at].low in INSIDE:
        at += 1
    begin = at
    while at < len(words) and at - begin < 5 and words[at].start - words[at - 1].end < 3:
        if not (words[at].capital or words[at].low in INSIDE):
            break
        at += 1
    if at == begin:
        return None
    end = words[at - 1].end
    after = at < len(words) and NUMBER.fullmatch(words[at].text) is not None and words[at].start - end < 4
    before = (
        place > 0
        and NUMBER.fullmatch(words[place - 1].text) is not None
        and words[place].start - words[place - 1].end < 3
    )
    if not (after or before):
        return None
    return words[place - 1].start if before else words[place].start, words[at].end if after else end


def _english(words: list[Token], place: int) -> tuple[int, int] | None:
    """`1668 Glyn St`, `12 North Main Street`; back from the word for the street to the number."""
    for at in range(place - 1, max(-1, place - 6), -1):
        word = words[at]
        if not words[at + 1].joined:
            return None
        if NUMBER.fullmatch(word.text):
            return (word.start, words[place].end) if at < place - 1 else None
        if not (word.capital or word.low.endswith(("th", "st", "nd", "rd"))) and word.low not in INSIDE:
            return None
    return None


def _house(text: str, words: list[Token], place: int) -> bool:
    """Whether a house's number follows: `Hauptstraße 5`, `Király u. 15`."""
    after = words[place + 1]
    return NUMBER.fullmatch(after.text) is not None and text[words[place].end : after.start] in (" ", ". ", ", ")


def _announced(text: str, words: list[Token], place: int) -> bool:
    """Whether somebody says that an address comes, or another number stands before it as in `28030 Edeby 55`."""
    begin = _back(words, place, 3)
    before = BEFORE.search(text, max(0, begin - 24), begin)
    if before is not None and before.group():
        return True
    if ROOM_FOLLOWS.match(text, words[place + 1].end):
        return True
    return ANNOUNCED.search(text, max(0, begin - 60), begin) is not None and text[begin - 1] != "\n"


def _back(words: list[Token], place: int, most: int) -> int:
    """Where the name of the street begins, at most so many capitalised words before its last."""
    at = place
    while (
        at
        and place - at < most
        and words[at - 1].capital
        and words[at].start - words[at - 1].end <= 2
        and not words[at].begins
    ):
        at -= 1
    return words[at].start


def _to_the_end(text: str, end: int) -> int:
    """Rooms, town, region, postal code and country that follow a street."""
    if rooms := ROOMS.match(text, end):
        end = rooms.end()
    if word := SAID_TWICE.match(text, end):
        end = word.end()
    if found := TO_ZIP.match(text, end):
        end = found.end()
        country = LAST.match(text, end)
        if country and country.group(1).casefold() in names().places:
            end = country.end()
        return end
    town = TO_TOWN.match(text, end)
    if town and _ends_with_place(town.group()):
        return town.end()
    return end


def _ends_with_place(text: str) -> bool:
    """Whether a country or a town that we know of ends it, in one to three words."""
    parts = re.findall(r"[^\W\d_]+", text.casefold())
    places = names().places
    return any(" ".join(parts[-size:]) in places for size in (1, 2, 3)) or re.search(r"\b[A-Z]{2}$", text) is not None
