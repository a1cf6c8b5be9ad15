"""What the extractive provider can quote: sentences, list items and table rows of a source, each
with what a reader needs beside it to understand it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from gateway.sentences import sentence_spans
from gateway.types import Source

MAX_STEPS = 7
MAX_WORDS = 80

STEP = re.compile(r"^(?:\d{1,2}[.)]|[-•*])\s")
# A sentence that opens so speaks of the one before it.
POINTS_BACK = re.compile(
    r"(?:it|its|this|that|these|those|they|their|then|there|otherwise|instead|if not|if so|in this|in that|to do so"
    r"|also|however|but|so|and|or)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Unit:
    """A quotable piece: `source.text[start:end]`, the `position`-th of its source; `rank` is the
    source's, from 0. `header` is the first row of the table that a row stands in, empty for that row
    itself."""

    source: Source
    rank: int
    position: int
    start: int
    end: int
    header: str = ""

    @property
    def text(self) -> str:
        return self.source.text[self.start : self.end]

    @property
    def is_step(self) -> bool:
        return bool(STEP.match(self.text))

    @property
    def is_numbered(self) -> bool:
        """A step of a procedure, which alone, out of its order, would mislead."""
        return self.is_step and self.text[0].isdigit()

    @property
    def is_row(self) -> bool:
        return "|" in self.text

    def heads(self, following: Unit | None) -> bool:
        """Whether it names the columns of the row that follows it, and so says nothing to cite."""
        return following is not None and self.is_row and following.header == self.text

    @property
    def in_full(self) -> str:
        """What it says, with what its columns are called and the headings that it stands under."""
        source = self.source
        above = f"{source.title} › {source.heading}" if source.heading else source.title
        return ": ".join(filter(None, [above, self.header, self.text]))

    @property
    def leads_in(self) -> bool:
        return self.text.endswith(":")

    @property
    def answers(self) -> bool:
        """Whether it says something by itself. A question does not, nor does an item of few words,
        nor what a table's columns are called, nor a heap of words without an end."""
        if self.is_row:
            return bool(self.header)
        words = len(self.text.split())
        return not self.text.endswith("?") and (6 if self.is_step else 4) <= words <= MAX_WORDS


def units_of(source: Source, rank: int) -> list[Unit]:
    """The quotable units of a source. Headings are not: they say what follows, not what is so. Nor is a
    sentence that announces what the source does not hold."""
    headings = {source.title.strip(), *(part.strip() for part in source.heading.split("›"))}
    units: list[Unit] = []
    header = ""
    for position, (start, end) in enumerate(sentence_spans(source.text)):
        text = source.text[start:end]
        whole_line = (start == 0 or source.text[start - 1] == "\n") and source.text[end : end + 1] in {"", "\n"}
        header = (header or text) if "|" in text else ""
        title_like = whole_line and not STEP.match(text) and "|" not in text and text[-1] not in '.!?:;…)"”'
        if text in headings or len(text.split()) < 3 or (title_like and len(text.split()) < 9):
            continue
        units.append(Unit(source, rank, position, start, end, "" if header == text else header))
    return [unit for at, unit in enumerate(units) if not unit.leads_in or _led_in(units, at)]


def steps_around(unit: Unit) -> list[Unit]:
    """The unbroken run of steps that the unit stands in, with the sentence that leads in to it."""
    units, at = _siblings(unit)
    first = last = at
    while first > 0 and units[first - 1].is_step:
        first -= 1
    while last + 1 < len(units) and units[last + 1].is_step:
        last += 1
    begin = max(first, min(at, last - MAX_STEPS + 1))
    lead = units[first - 1 : first] if begin == first and first > 0 and units[first - 1].leads_in else []
    return lead + units[begin : min(begin + MAX_STEPS, last + 1)]


def in_context(units: Iterable[Unit]) -> list[Unit]:
    """The units in reading order, completed: a lead-in with its list, a table row with its header,
    a sentence that points back with the one that it points to."""
    complete = {(unit.rank, unit.position): unit for unit in units}
    for unit in list(complete.values()):
        for each in _companions(unit):
            complete[each.rank, each.position] = each
    return [complete[key] for key in sorted(complete)]


def _companions(unit: Unit) -> list[Unit]:
    units, at = _siblings(unit)
    if unit.is_row:
        first = at
        while first > 0 and units[first - 1].is_row and units[first].position - units[first - 1].position == 1:
            first -= 1
        return [units[first]]
    found = _led_in(units, at) if unit.leads_in else []
    same_paragraph = at > 0 and "\n" not in unit.source.text[units[at - 1].end : unit.start]
    if same_paragraph and POINTS_BACK.match(unit.text):
        found.append(units[at - 1])
    return found


def _led_in(units: list[Unit], at: int) -> list[Unit]:
    """The list or the table that a lead-in announces; nothing where it stands in another passage."""
    run = units[at + 1 : at + 1 + MAX_STEPS]
    if run and run[0].is_row:
        return run[: next((index for index, each in enumerate(run) if not each.is_row), len(run))]
    return run[: next((index for index, each in enumerate(run) if not each.is_step), len(run))]


def _siblings(unit: Unit) -> tuple[list[Unit], int]:
    """All units of its source, and its own index among them."""
    units = units_of(unit.source, unit.rank)
    return units, next(index for index, each in enumerate(units) if each.start == unit.start)
