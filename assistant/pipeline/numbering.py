"""The numbers that readers see: one for each article, in the order in which the answer cites them.

A model is given passages by numbers of their own, of which it uses some in any order and several of
one article. The audit record keeps those; people and clients see these.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from assistant.events import Citation, Delta, Event
from assistant.pipeline.citations import Mark, Piece
from assistant.pipeline.grounding import Sentence
from gateway.types import Source


@dataclass
class Numbering:
    """Gives an article its number when it is first cited; one for each telling of an answer."""

    sources: Sequence[Source]
    _numbers: dict[tuple[str, str], int] = field(default_factory=dict)
    _last: int = 0  # the mark that the text so far ends with

    def of(self, marker: int) -> int:
        """The number of the article that the passage `marker` is a piece of."""
        source = next(source for source in self.sources if source.marker == marker)
        return self._numbers.setdefault((source.document, source.version), len(self._numbers) + 1)

    def events(self, piece: Piece) -> list[Event]:
        """What a reader is told of a piece: nothing, where another passage of an article is cited
        right after one."""
        if not isinstance(piece, Mark):
            self._last = 0 if piece.text.strip() else self._last
            return [Delta(piece.text)]
        before, self._last = self._last, self.of(piece.marker)
        return [] if before == self._last else [Citation(self._last, piece.marker)]


def numbered(sentences: Sequence[Sentence], sources: Sequence[Source]) -> list[Sentence]:
    """Checked sentences with the numbers that readers see, counted anew: the check has given marks
    to sentences that had none."""
    numbering = Numbering(sources)
    return [_renamed(sentence, numbering.of) for sentence in sentences]


def recounted(sentences: Sequence[Sentence]) -> list[Sentence]:
    """Sentences that have numbers, of which some were moved or left out, counted anew."""
    order = dict.fromkeys(marker for sentence in sentences for marker in sentence.markers)
    now = {marker: number for number, marker in enumerate(order, 1)}
    return [_renamed(sentence, now.__getitem__) for sentence in sentences]


def _renamed(sentence: Sentence, name: Callable[[int], int]) -> Sentence:
    markers = tuple(dict.fromkeys(name(marker) for marker in sentence.markers))
    quotes = tuple(replace(quote, marker=name(quote.marker)) for quote in sentence.quotes)
    return replace(sentence, markers=markers, quotes=quotes)
