"""Where personal data stands in a text, and of which kind it is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What a piece of text is. The value begins the placeholder that stands for it."""

    SECRET = "SECRET"  # noqa: S105  a key, token, password or a URL's credentials
    CARD = "CARD"
    IBAN = "IBAN"
    ID = "ID"  # a number that a state gives a person: tax, insurance, identity, passport
    EMAIL = "EMAIL"
    IP = "IP"
    MAC = "MAC"
    PHONE = "PHONE"
    BIRTH = "BIRTH"  # a date, where the words say that somebody was born on it
    ADDRESS = "ADDRESS"  # a postal address, or a part of one
    NAME = "NAME"  # of a person
    PLACE = "PLACE"  # a town, country or part of one


ORDER = {kind: place for place, kind in enumerate(Kind)}


@dataclass(frozen=True)
class Span:
    """`text[start:end]` is a value of this kind."""

    start: int
    end: int
    kind: Kind


def apart(spans: Iterable[Span]) -> list[Span]:
    """The spans in order, none touching another's characters. Those that overlap become one, of the
    longest one's kind, so that nothing which was found is sent."""
    out: list[Span] = []
    longest = 0
    for span in sorted(spans, key=lambda each: (each.start, -each.end, ORDER[each.kind])):
        if not out or span.start >= out[-1].end:
            out.append(span)
            longest = span.end - span.start
            continue
        last = out[-1]
        length = span.end - span.start
        better = (length, -ORDER[span.kind]) > (longest, -ORDER[last.kind])
        out[-1] = Span(last.start, max(last.end, span.end), span.kind if better else last.kind)
        longest = max(longest, length)
    return out
