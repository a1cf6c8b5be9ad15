"""Answers with sentences of the sources themselves: no language model, nothing invented.

Each unit (sentence, list item, table row) of the best sources is scored by its embedding's cosine
to the question, by the question's words that it holds, and by the source's rank; the best are
chosen by maximal marginal relevance (Carbonell and Goldstein, 1998) so that they do not repeat each
other, and all are quoted to the character with their marker, in their context (`units.in_context`).

Does not catch: an answer that must be put together from several sentences by reasoning.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from itertools import zip_longest

from gateway.errors import Unsupported
from gateway.profiles import ModelProfile
from gateway.providers.units import Unit, in_context, steps_around, units_of
from gateway.types import Call, Finished, FinishReason, Source, StreamEvent, TextDelta, Trace, Usage, UsageReport
from gateway.words import content_words

Embed = Callable[[list[str]], Awaitable[list[list[float]]]]
Vector = Sequence[float]

MAX_UNITS = 40  # that are embedded: a unit costs about 8 ms on two cores
MAX_QUOTES = 6
MAX_OF_BEST, MAX_OF_OTHERS = 2, 1  # quotes of one source
SAME = 0.95  # cosine of two units that say the same
RELATIVE_CUT = 0.66  # of the best unit's score
LEAD_IN_CUT = 0.9  # a lead-in brings its whole list along
DIVERSITY = 0.3
COSINE, OVERLAP, RANK = 0.65, 0.25, 0.10
REMEMBERED = 20_000

NUMBER = re.compile(r"\d+")
HOW = re.compile(r"\bhow\b|\bsteps?\b|\bset ?up\b|\binstall\b|\bwhere (?:do|can) i\b", re.IGNORECASE)


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
        for unit, following in zip_longest(chosen, chosen[1:]):
            mark = "" if unit.heads(following) else f" [{unit.source.marker}]"
            text = f"{_space(previous, unit)}{unit.text}{mark}"
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
        units = _worth_comparing(sources, words)
        if not units:
            return []
        asked, *vectors = await self._embedded([question, *(unit.in_full for unit in units)])
        scores = [
            COSINE * _dot(asked, vector) + OVERLAP * _overlap(unit, words) + RANK / (1 + unit.rank)
            for unit, vector in zip(units, vectors, strict=True)
        ]
        best = units[max(range(len(units)), key=scores.__getitem__)]
        if not (best.is_numbered or (best.is_step and HOW.search(question))):
            return in_context(_diverse(units, vectors, scores))
        steps = steps_around(best)
        beside = [unit for unit in _diverse(units, vectors, scores) if unit.rank != best.rank]
        return steps + in_context(beside)

    async def _embedded(self, texts: list[str]) -> list[Vector]:
        missing = [text for text in dict.fromkeys(texts) if text not in self._vectors]
        for text, vector in zip(missing, await self._embed(missing) if missing else [], strict=True):
            self._vectors[text] = vector
        found = [self._vectors[text] for text in texts]
        while len(self._vectors) > REMEMBERED:
            self._vectors.popitem(last=False)
        return found


def _worth_comparing(sources: Sequence[Source], words: frozenset[str]) -> list[Unit]:
    """The units of every source that hold most of the question's words, as many of each source: a
    sentence that answers in other words than the question's has its turn as well."""
    by_source = [
        sorted(
            (unit for unit in units_of(source, rank) if unit.answers),
            key=lambda unit: (-_overlap(unit, words), unit.position),
        )
        for rank, source in enumerate(sources)
    ]
    turns = [unit for turn in zip_longest(*by_source) for unit in turn if unit is not None]
    return turns[:MAX_UNITS]


def _diverse(units: list[Unit], vectors: list[Vector], scores: list[float]) -> list[Unit]:
    """The best units that do not say the same again, most of them from the best unit's source: the
    others are there for what it does not hold."""
    top = max(scores)
    cuts = [LEAD_IN_CUT if unit.leads_in else RELATIVE_CUT for unit in units]
    left = [i for i, unit in enumerate(units) if scores[i] >= cuts[i] * top and not unit.is_numbered]
    chosen: list[int] = []
    while left and len(chosen) < MAX_QUOTES:
        likeness = {i: max((_dot(vectors[i], vectors[j]) for j in chosen), default=0.0) for i in left}
        best = max(left, key=lambda i: scores[i] - DIVERSITY * likeness[i])
        chosen.append(best)
        room = MAX_OF_BEST if units[best].rank == units[chosen[0]].rank else MAX_OF_OTHERS
        full = sum(units[i].rank == units[best].rank for i in chosen) >= room
        left = [i for i in left if i != best and not (full and units[i].rank == units[best].rank)]
        left = [
            i for i in left if _dot(vectors[i], vectors[best]) < SAME or _numbers(units[i]) != _numbers(units[best])
        ]
    return [units[index] for index in chosen]


def _numbers(unit: Unit) -> frozenset[str]:
    """Two sentences that differ in these alone are near each other and say different things."""
    return frozenset(NUMBER.findall(unit.text))


def _space(previous: Unit | None, unit: Unit) -> str:
    if previous is None:
        return ""
    own_line = unit.is_step or unit.is_row or previous.is_step or previous.is_row or previous.leads_in
    if previous.source.marker != unit.source.marker:
        return "\n\n"
    return "\n" if own_line else " "


def _overlap(unit: Unit, words: frozenset[str]) -> float:
    return len(words & content_words(f"{unit.header} {unit.text}")) / len(words) if words else 0.0


def _dot(a: Vector, b: Vector) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))
