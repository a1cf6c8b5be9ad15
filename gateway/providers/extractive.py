"""Answers with sentences of the sources themselves: no language model, nothing invented.

Each unit (sentence, list item, table row) of the best sources is scored by its embedding's cosine
to the question, by the question's words that it holds, and by the source's rank; the best are
chosen by maximal marginal relevance (Carbonell and Goldstein, 1998) so that they do not repeat each
other, steps are kept with their neighbours, and all are quoted to the character with their marker.

Does not catch: an answer that must be put together from several sentences by reasoning.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass

from gateway.errors import Unsupported
from gateway.profiles import ModelProfile
from gateway.sentences import sentence_spans
from gateway.types import Call, Finished, FinishReason, Source, StreamEvent, TextDelta, Trace, Usage, UsageReport
from gateway.words import content_words

Embed = Callable[[list[str]], Awaitable[list[list[float]]]]
Vector = Sequence[float]

MAX_UNITS = 40  # that are embedded: a unit costs about 8 ms on two cores
MAX_QUOTES = 4
MAX_STEPS = 7
RELATIVE_CUT = 0.72  # of the best unit's score
DIVERSITY = 0.3
COSINE, OVERLAP, RANK = 0.65, 0.25, 0.10
REMEMBERED = 20_000

STEP = re.compile(r"^(?:\d{1,2}[.)]|[-•*])\s")
HOW = re.compile(r"\bhow\b|\bsteps?\b|\bset ?up\b|\binstall\b|\bwhere (?:do|can) i\b", re.IGNORECASE)


@dataclass(frozen=True)
class Unit:
    """A quotable piece: `source.text[start:end]`, the `position`-th of its source."""

    source: Source
    rank: int
    position: int
    start: int
    end: int

    @property
    def text(self) -> str:
        return self.source.text[self.start : self.end]

    @property
    def is_step(self) -> bool:
        return bool(STEP.match(self.text))


class ExtractiveProvider:
    """Speaks the interface of every provider; reads `call.question` and `call.sources`."""

    name = "extractive"

    def __init__(self, profile: ModelProfile, embed: Embed) -> None:
        self.profile = profile
        self._embed = embed
        self._vectors: OrderedDict[str, Vector] = OrderedDict()

    async def stream(self, call: Call, trace: Trace) -> AsyncGenerator[StreamEvent, None]:
        if not call.sources or not call.question:
            raise Unsupported("the extractive provider answers questions from sources and does nothing else")
        chosen = await self._choose(call.question, call.sources)
        written = 0
        previous: Unit | None = None
        for unit in chosen:
            text = f"{_space(previous, unit)}{unit.text} [{unit.source.marker}]"
            written += len(text)
            previous = unit
            yield TextDelta(text)
        read = sum(len(source.text) for source in call.sources)
        yield UsageReport(Usage(input_tokens=read // 4, output_tokens=written // 4, estimated=True))
        yield Finished(FinishReason.STOP, self.profile.model)

    async def aclose(self) -> None:
        """Holds no connection."""

    async def _choose(self, question: str, sources: Sequence[Source]) -> list[Unit]:
        words = content_words(question)
        units = [unit for rank, source in enumerate(sources) for unit in _units(source, rank)]
        units.sort(key=lambda unit: (-_overlap(unit, words) + 0.08 * unit.rank, unit.rank, unit.position))
        units = units[:MAX_UNITS]
        if not units:
            return []
        asked, *vectors = await self._embedded([question, *(_in_context(unit) for unit in units)])
        scores = [
            COSINE * _dot(asked, vector) + OVERLAP * _overlap(unit, words) + RANK / (1 + unit.rank)
            for unit, vector in zip(units, vectors, strict=True)
        ]
        best = max(range(len(units)), key=scores.__getitem__)
        if units[best].is_step and HOW.search(question):
            picked = _steps_around(units[best])
        else:
            picked = _diverse(units, vectors, scores)
        return sorted(_led_in(picked), key=lambda unit: (unit.rank, unit.position))

    async def _embedded(self, texts: list[str]) -> list[Vector]:
        missing = [text for text in dict.fromkeys(texts) if text not in self._vectors]
        for text, vector in zip(missing, await self._embed(missing) if missing else [], strict=True):
            self._vectors[text] = vector
        found = [self._vectors[text] for text in texts]
        while len(self._vectors) > REMEMBERED:
            self._vectors.popitem(last=False)
        return found


def _units(source: Source, rank: int) -> list[Unit]:
    """The quotable units of a source; headings are not: they say what follows, not what is so."""
    headings = {source.title.strip(), *(part.strip() for part in source.heading.split("›"))}
    units = []
    for position, (start, end) in enumerate(sentence_spans(source.text)):
        text = source.text[start:end]
        whole_line = (start == 0 or source.text[start - 1] == "\n") and source.text[end : end + 1] in {"", "\n"}
        title_like = whole_line and not STEP.match(text) and "|" not in text and text[-1] not in '.!?:;…)"”'
        if text in headings or len(text.split()) < 3 or (title_like and len(text.split()) < 9):
            continue
        units.append(Unit(source, rank, position, start, end))
    return units


def _steps_around(unit: Unit) -> list[Unit]:
    """The unbroken run of steps that the unit stands in."""
    units = _units(unit.source, unit.rank)
    at = next(index for index, each in enumerate(units) if each.start == unit.start)
    first = last = at
    while first > 0 and units[first - 1].is_step:
        first -= 1
    while last + 1 < len(units) and units[last + 1].is_step:
        last += 1
    first = max(first, min(at, last - MAX_STEPS + 1))
    return units[first : first + MAX_STEPS]


def _diverse(units: list[Unit], vectors: list[Vector], scores: list[float]) -> list[Unit]:
    left = [index for index in range(len(units)) if scores[index] >= RELATIVE_CUT * max(scores)]
    chosen: list[int] = []
    while left and len(chosen) < MAX_QUOTES:
        likeness = {i: max((_dot(vectors[i], vectors[j]) for j in chosen), default=0.0) for i in left}
        fresh = [i for i in left if likeness[i] < 0.95]
        if not fresh:
            break
        best = max(fresh, key=lambda i: scores[i] - DIVERSITY * likeness[i])
        chosen.append(best)
        left = [i for i in fresh if i != best]
    return [units[index] for index in chosen]


def _led_in(units: list[Unit]) -> list[Unit]:
    """A sentence that ends in a colon with what it leads in to, and a table row with its header."""
    complete = {(unit.rank, unit.position): unit for unit in units}
    for unit in units:
        siblings = _units(unit.source, unit.rank)
        at = next(index for index, each in enumerate(siblings) if each.start == unit.start)
        if unit.text.endswith(":"):
            for each in siblings[at + 1 : at + 1 + MAX_STEPS]:
                if not each.is_step:
                    break
                complete[each.rank, each.position] = each
        if "|" in unit.text:
            first = at
            while (
                first > 0
                and "|" in siblings[first - 1].text
                and siblings[first].position - siblings[first - 1].position == 1
            ):
                first -= 1
            complete[siblings[first].rank, siblings[first].position] = siblings[first]
    return list(complete.values())


def _space(previous: Unit | None, unit: Unit) -> str:
    if previous is None:
        return ""
    own_line = unit.is_step or "|" in unit.text or previous.is_step or "|" in previous.text
    if previous.source.marker != unit.source.marker:
        return "\n\n"
    return "\n" if own_line else " "


def _in_context(unit: Unit) -> str:
    return f"{unit.source.title}: {unit.text}"


def _overlap(unit: Unit, words: frozenset[str]) -> float:
    return len(words & content_words(unit.text)) / len(words) if words else 0.0


def _dot(a: Vector, b: Vector) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))
