"""A text as words and numbers, read once for all that look for names and addresses."""

from __future__ import annotations

import re
from typing import NamedTuple

TOKEN = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+){0,3}|\d+[A-Za-z]?(?!\w)|\w+")
SENTENCE_ENDS = frozenset('.!?:"“>*\n')


class Token(NamedTuple):
    """One word or number, and where it stands. `joined`: only a space, or an initial's point and a
    space, parts it from the one before. `begins`: a sentence or a line begins with it."""

    start: int
    end: int
    text: str
    low: str
    capital: bool
    joined: bool
    begins: bool


def tokens(text: str) -> list[Token]:
    out: list[Token] = []
    end = size = 0
    begins = True
    for found in TOKEN.finditer(text):
        word, start = found.group(), found.start()
        gap = text[end:start]
        if gap == " ":
            joined, begins = bool(out), not out
        else:
            joined = gap == "\u00a0" or (gap == ". " and size == 1)
            begins = not joined and (not out or not SENTENCE_ENDS.isdisjoint(gap))
        size = len(word)
        if size > 2 and word[-1] == "s" and word[-2] in "'’":
            word = word[:-2]
        end = start + len(word)
        out.append(Token(start, end, word, word.lower(), word[0].isupper(), joined, begins))
    return out
