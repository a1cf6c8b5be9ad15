"""Towns and countries: those that are known, and what somebody is said to live in or to travel to.

Does not catch: places that no list has and that nothing announces.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gateway.redaction.spans import Kind, Span
from gateway.redaction.tokens import Token
from gateway.redaction.words import COMMON, ORGANISATION, Names, listed, names

LONGEST = 4  # words of a place's name
TOWARDS = listed("towards places")
STAYING = listed("staying")


def places(words: list[Token]) -> Iterator[Span]:
    known, at = names(), 0
    careless = len(words) > 2 and not any(word.capital for word in words)
    while at < len(words):
        word = words[at]
        size = 0
        if word.low in known.place_beginnings and (word.capital or careless):
            size = _known_at(words, at, known)
        if not size and word.capital and at > 1 and words[at - 1].low in TOWARDS:
            size = _said_at(words, at, known)
        if size:
            yield Span(words[at].start, words[at + size - 1].end, Kind.PLACE)
        at += size or 1


def _known_at(words: Sequence[Token], at: int, known: Names) -> int:
    for size in range(min(LONGEST, len(words) - at), 0, -1):
        part = words[at : at + size]
        if all(word.joined for word in part[1:]) and " ".join(word.low for word in part) in known.places:
            name = size == 1 and part[0].low in known.given
            return 0 if name and (not at or words[at - 1].low not in TOWARDS) else size
    return 0


def _said_at(words: Sequence[Token], at: int, known: Names) -> int:
    """After `flew to`, `based in`, `arrived at`, one to four capitalised words that are no words otherwise."""
    if not words[at].joined or not any(word.low in STAYING for word in words[max(0, at - 3) : at - 1]):
        return 0
    size = 0
    for word in words[at : at + LONGEST]:
        if (size and not word.joined) or not word.capital or word.low in COMMON or word.low in ORGANISATION:
            break
        size += 1
    first = words[at]
    return size if first.low not in known.words and len(first.text) > 2 else 0
