"""Reads markers like [2] out of streamed text.

A marker never reaches the reader half-written: text from an opening bracket on is held until it is
clear what it is. An id that was not retrieved never reaches the reader at all (P8).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from gateway.cache.markers import MARKER, numbers

POSSIBLE = re.compile(r"[\[【](?:s|so|sou|sour|sourc|sources?\s*)?(?:\d{1,3}(?:\s*[,;]\s*)?)*\s*$", re.IGNORECASE)
LONGEST = 40


@dataclass(frozen=True)
class Text:
    text: str


@dataclass(frozen=True)
class Mark:
    marker: int


Piece = Text | Mark


@dataclass
class CitationParser:
    """Feed it deltas; it gives text and marks. `dropped` counts the ids that were never retrieved."""

    known: frozenset[int]
    dropped: list[int] = field(default_factory=list)
    _held: str = ""

    def feed(self, delta: str) -> list[Piece]:
        text = self._held + delta
        possible = POSSIBLE.search(text[-LONGEST:])
        cut = len(text) - len(possible.group()) if possible else len(text)
        self._held = text[cut:]
        return self._parse(text[:cut])

    def end(self) -> list[Piece]:
        """What was held back: a bracket that never became a marker is text."""
        held, self._held = self._held, ""
        return self._parse(held)

    def _parse(self, text: str) -> list[Piece]:
        pieces: list[Piece] = []
        position = 0
        for match in MARKER.finditer(text):
            if match.start() > position:
                pieces.append(Text(text[position : match.start()]))
            for number in numbers(match.group()):
                if number in self.known:
                    pieces.append(Mark(number))
                else:
                    self.dropped.append(number)
            position = match.end()
        if position < len(text):
            pieces.append(Text(text[position:]))
        return pieces
