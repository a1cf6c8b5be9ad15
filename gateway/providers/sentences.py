"""Splits text in sentences, with offsets, without a model."""

from __future__ import annotations

import re

# A full stop after these, after a single letter, or between digits ends no sentence.
ABBREVIATIONS = frozenset(
    [
        "e.g",
        "i.e",
        "etc",
        "vs",
        "cf",
        "no",
        "nos",
        "fig",
        "approx",
        "dept",
        "est",
        "inc",
        "ltd",
        "co",
        "mr",
        "mrs",
        "ms",
        "dr",
        "prof",
        "st",
        "u.s",
        "u.k",
    ]
)
END = re.compile(r"[.!?…]+[\"'”’)\]]*(?=\s)|[。！？]")
LIST_NUMBER = re.compile(r"^\s*(?:\d{1,3}|[a-zA-Z])[.)]$")


def split_sentences(text: str) -> list[tuple[int, int]]:
    """(start, end) of each sentence: in order, not overlapping, with no white space at its ends.
    A line break always ends one, so each list item and table row is a unit of its own."""
    spans: list[tuple[int, int]] = []
    for line in re.finditer(r"[^\n]+", text):
        start = line.start()
        for match in END.finditer(text, line.start(), line.end()):
            if _ends_sentence(text, start, match):
                _add(spans, text, start, match.end())
                start = match.end()
        _add(spans, text, start, line.end())
    return spans


def _add(spans: list[tuple[int, int]], text: str, start: int, end: int) -> None:
    piece = text[start:end]
    stripped = piece.strip()
    if stripped:
        begin = start + piece.index(stripped)
        spans.append((begin, begin + len(stripped)))


def _ends_sentence(text: str, start: int, match: re.Match[str]) -> bool:
    before = text[start : match.start()]
    if not match.group().startswith(".") or len(match.group()) > 1:
        return True
    if LIST_NUMBER.match(before + "."):
        return False
    words = before.split()
    last = words[-1].lower().lstrip("(\"'“") if words else ""
    if last in ABBREVIATIONS or re.fullmatch(r"[a-z]", last):
        return False
    following = text[match.end() : match.end() + 2].strip()
    return not (following and following[0].islower())
