"""Checks each sentence of an answer against the passages that it cites.

A quote is located to the character: the unit of a cited source that supports the sentence best,
by the share of the sentence's content words that it holds. A sentence is supported when that share
is high enough and no number of the sentence is missing from the source. A sentence without a marker
is given that of the source that clearly holds it. What a table's columns are called is no claim: it
is neither cited nor doubted where the source of the rows below has those words.

Does not catch: a sentence made of a source's words that says the opposite without a negation word,
and support that is spread over more than one source's sentence with other words.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from assistant.pipeline.citations import Mark, Piece
from gateway.sentences import sentence_spans
from gateway.types import Source
from gateway.words import content_words

SUPPORTED = 0.5
ATTRIBUTED = 0.7  # a sentence that cites nothing must be closer to its source than one that does
NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
RULE = re.compile(r"[\s|:+-]+")  # between a table's head and its rows
Part = tuple[str, str, tuple[int, ...]]  # white space before, text, markers


@dataclass(frozen=True)
class CitedQuote:
    """`quote == version.text[start:end]`."""

    marker: int
    source: Source
    start: int
    end: int
    quote: str

    def as_json(self) -> dict[str, Any]:
        source = self.source
        return {
            "marker": self.marker,
            "document": source.document,
            "version": source.version,
            "title": source.title,
            "url": source.url,
            "start": self.start,
            "end": self.end,
            "quote": self.quote,
            "outdated": source.outdated,
        }


@dataclass(frozen=True)
class Sentence:
    """A sentence of the answer; `score` is its support, 0 to 1; `lead` the white space before it."""

    text: str
    markers: tuple[int, ...]
    supported: bool
    score: float
    reason: str = ""
    quotes: tuple[CitedQuote, ...] = field(default=())
    lead: str = ""

    def as_json(self) -> dict[str, Any]:
        return {
            "text": self.text,
            "supported": self.supported,
            "score": round(self.score, 3),
            "reason": self.reason,
            "citations": list(self.markers),
            "lead": self.lead,
        }


def sentences(pieces: Sequence[Piece]) -> list[Part]:
    """The parts of an answer. A marker belongs to the sentence before
    it, also where it stands after the full stop."""
    text, marks = "", []
    for piece in pieces:
        if isinstance(piece, Mark):
            marks.append((len(text.rstrip()), piece.marker))
        else:
            text += piece.text
    spans = list(sentence_spans(text))
    found: list[Part] = []
    position = 0
    for index, (start, end) in enumerate(spans):
        following = spans[index + 1][0] if index + 1 < len(spans) else len(text) + 1
        markers = dict.fromkeys(marker for at, marker in marks if start < at <= end or end < at < following)
        found.append((_gap(text[position:start]), re.sub(r"[ \t]+([.,;:!?])", r"\1", text[start:end]), tuple(markers)))
        position = end
    return found


def _gap(space: str) -> str:
    """The white space between two sentences without what the markers left behind."""
    return "\n" * min(space.count("\n"), 2) if "\n" in space else space[:1]


def check(pieces: Sequence[Piece], sources: Sequence[Source]) -> list[Sentence]:
    """The sentences of an answer with their support."""
    by_marker = {source.marker: source for source in sources}
    checked: list[Sentence] = []
    parts = sentences(pieces)
    for index, (lead, text, markers) in enumerate(parts):
        if _heads_table(parts, index, by_marker):
            checked.append(Sentence(text, (), supported=True, score=1.0, lead=lead))
            continue
        markers = markers or _attributed(text, sources)
        quotes = [(quote, score) for m in markers if (found := locate(text, by_marker[m])) for quote, score in [found]]
        score = max((score for _, score in quotes), default=0.0)
        cited = " ".join(by_marker[m].text for m in markers)
        reason = _doubt(text, markers, score, cited)
        kept = tuple(quote for quote, each in quotes if each >= SUPPORTED or each == score)
        checked.append(Sentence(text, markers, not reason, score, reason, kept, lead))
    return checked


def _heads_table(parts: Sequence[Part], index: int, by_marker: dict[int, Source]) -> bool:
    """Whether it is the uncited first row above cited ones, in words that their source has."""
    _, text, markers = parts[index]
    if markers or "|" not in text or (index and "|" in parts[index - 1][1]):
        return False
    below = next((part for part in parts[index + 1 :] if not RULE.fullmatch(part[1])), ("", "", ()))
    if "|" not in below[1]:
        return False
    named = content_words(text)
    held = frozenset().union(*(content_words(by_marker[marker].text) for marker in below[2]))
    return bool(held) and len(named & held) >= ATTRIBUTED * len(named)


def _attributed(sentence: str, sources: Sequence[Source]) -> tuple[int, ...]:
    """The source that a sentence without a marker rests on, where there is no doubt of it. Small
    models tell what a source says and forget to name it."""
    if not content_words(sentence) or sentence.endswith(":"):
        return ()
    located = [(found[1], -source.marker, source) for source in sources if (found := locate(sentence, source))]
    score, _, source = max(located, default=(0.0, 0, None))
    if source is None or score < ATTRIBUTED or _doubt(sentence, (source.marker,), score, source.text):
        return ()
    return (source.marker,)


def locate(sentence: str, source: Source) -> tuple[CitedQuote, float] | None:
    """The unit of the source that supports the sentence best, and how well (0 to 1)."""
    exact = source.text.find(sentence)
    if exact >= 0:
        return _quote(source, exact, exact + len(sentence)), 1.0
    wanted = content_words(sentence)
    spans = list(sentence_spans(source.text))
    if not wanted or not spans:
        return None
    # Two neighbours may hold together what one sentence of the answer says.
    windows = [(a, b) for (a, b) in spans] + [(spans[i][0], spans[i + 1][1]) for i in range(len(spans) - 1)]
    scored = [(len(wanted & content_words(source.text[a:b])) / len(wanted), a - b, a, b) for a, b in windows]
    score, _, start, end = max(scored)
    return _quote(source, start, end), score


def _quote(source: Source, start: int, end: int) -> CitedQuote:
    return CitedQuote(source.marker, source, source.start + start, source.start + end, source.text[start:end])


def _doubt(text: str, markers: tuple[int, ...], score: float, cited: str) -> str:
    """Why the sentence cannot be called supported; empty when it can."""
    if not markers:
        return "" if not content_words(text) or text.rstrip().endswith(":") else "no_citation"
    if text in cited:
        return ""
    if set(NUMBER.findall(text)) - set(NUMBER.findall(cited)):
        return "number_not_in_source"
    if score < SUPPORTED:
        return "weak_support"
    return ""
