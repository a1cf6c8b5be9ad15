"""Where sentences begin and end. One answer for splitting, for quoting and for checking."""

from __future__ import annotations

import re
from collections.abc import Iterator

_ABBREVIATIONS = frozenset(
    [
        "e.g",
        "i.e",
        "etc",
        "vs",
        "cf",
        "al",
        "ca",
        "approx",
        "no",
        "nos",
        "vol",
        "fig",
        "figs",
        "eq",
        "sec",
        "ch",
        "pp",
        "p",
        "mr",
        "mrs",
        "ms",
        "dr",
        "prof",
        "st",
        "jr",
        "sr",
        "inc",
        "ltd",
        "co",
        "corp",
        "dept",
        "est",
        "ext",
        "tel",
        "jan",
        "feb",
        "mar",
        "apr",
        "jun",
        "jul",
        "aug",
        "sep",
        "sept",
        "oct",
        "nov",
        "dec",
        "mon",
        "tue",
        "wed",
        "thu",
        "fri",
        "sat",
        "sun",
        "z.b",
        "d.h",
        "bzw",
        "usw",
        "ggf",
        "u.a",
    ]
)
# What closes a sentence may be followed by closing quotes or brackets. A line end closes it as well.
_END = re.compile(r"(?:[.!?…]+[\"'”’»)\]]*(?=\s)|[。！？]+[」』）”’]*|\n+)")
_LAST_WORD = re.compile(r"[\w.]+$")
_OPENING = re.compile(r"[\s\"'“‘«(\[]*(\S)")
_LOOK_BACK = 40


def sentence_spans(text: str, start: int = 0, end: int | None = None) -> Iterator[tuple[int, int]]:
    """(start, end) of each sentence of `text[start:end]`, white space at both ends left out. Not
    fooled by common abbreviations, initials and decimal points. Linear.

    Does not catch: an abbreviation that it does not know before a capital letter.
    """
    end = len(text) if end is None else end
    at = start
    for match in _END.finditer(text, start, end):
        if not _closes(text, at, match, end):
            continue
        yield from _stripped(text, at, match.end())
        at = match.end()
    yield from _stripped(text, at, end)


def _closes(text: str, at: int, match: re.Match[str], end: int) -> bool:
    mark = match.group()
    if mark[0] != "." or mark.startswith(".."):
        following = _OPENING.match(text, match.end(), end)
        return mark[0] in "\n。！？" or following is None or not following.group(1).islower()
    following = _OPENING.match(text, match.end(), end)
    if following is None:
        return True
    if following.group(1).islower():
        return False
    before = _LAST_WORD.search(text[max(at, match.start() - _LOOK_BACK) : match.start()])
    if before is None:
        return True
    word = before.group().lower()
    if word in _ABBREVIATIONS:
        return False
    if len(word) == 1 and word.isalpha() and before.group().isupper():  # an initial
        return False
    line = text.rfind("\n", at, match.start()) + 1 or at
    return not (word.isdecimal() and text[line : match.start()].strip() == word)  # "3." numbers an item


def _stripped(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    if start < end:
        yield start, end
