"""Saved answers as the portal's templates show them. `static/js/answer.js` makes the same markup
from the same object while an answer streams; a browser test compares the two."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from assistant.models import Message

DOUBTS: dict[str, Promise] = {
    "no_citation": _("No article was cited for this sentence."),
    "number_not_in_source": _("A number in this sentence is not in the cited article."),
    "weak_support": _("The cited article does not clearly say this."),
}
DOUBT = _("This sentence could not be checked against the articles.")
REASONS: list[tuple[str, Promise]] = [
    ("wrong", _("It is wrong")),
    ("incomplete", _("Something is missing")),
    ("off_topic", _("It answers another question")),
    ("unclear", _("Hard to understand")),
    ("source", _("The article does not say this")),
]
WORD = re.compile(r"[^\W_]+")
BOLD = re.compile(r"\*\*(.+?)\*\*")


@dataclass(frozen=True)
class Mark:
    """A citation after a sentence; `quote` is what it shows, `href` where it leads."""

    marker: int
    title: str
    quote: str
    href: str


@dataclass(frozen=True)
class ShownSentence:
    runs: list[tuple[str, bool]]  # (text, bold)
    marks: list[Mark]
    why: Promise | str


@dataclass
class SourceCard:
    marker: int
    title: str
    href: str
    quotes: list[Mark] = field(default_factory=list)


@dataclass
class Turn:
    """A question and, when there is one, its answer."""

    question: str = ""
    message: Message | None = None
    status: str = ""
    paragraphs: list[list[ShownSentence]] = field(default_factory=list)
    sources: list[SourceCard] = field(default_factory=list)
    nearest: list[dict[str, str]] = field(default_factory=list)
    extractive: bool = False
    thumb: str = ""


def article_href(slug: str, citation: dict[str, Any]) -> str:
    place = {"version": citation["version"], "start": citation["start"], "end": citation["end"]}
    return f"{reverse('portal:article', args=[slug, citation['document']])}?{urlencode(place)}#quote"


def turns(messages: Iterable[Message], slug: str, thumbs: dict[Any, str]) -> list[Turn]:
    """Questions with their answers, in order. `thumbs` is the reader's own, by message."""
    shown: list[Turn] = []
    for message in messages:
        if message.role == "user":
            shown.append(Turn(message.text))
        elif not shown or shown[-1].message is not None:
            shown.append(_answered(Turn(), message, slug, thumbs))
        else:
            _answered(shown[-1], message, slug, thumbs)
    return shown


def _answered(turn: Turn, message: Message, slug: str, thumbs: dict[Any, str]) -> Turn:
    final: dict[str, Any] = message.final or {}
    citations: list[dict[str, Any]] = final.get("citations") or []
    turn.message, turn.status = message, message.status
    turn.extractive = final.get("provider") == "extractive" and message.status == "answered"
    turn.thumb = thumbs.get(message.pk, "")
    turn.nearest = [
        {"title": each["title"], "href": reverse("portal:article", args=[slug, each["document"]])}
        for each in final.get("nearest") or []
    ]
    for sentence in final.get("sentences") or []:
        if not turn.paragraphs or "\n" in sentence.get("lead", ""):
            turn.paragraphs.append([])
        turn.paragraphs[-1].append(_sentence(sentence, citations, slug))
    cards: dict[int, SourceCard] = {}
    for citation in citations:
        mark = _mark(citation, slug)
        cards.setdefault(mark.marker, SourceCard(mark.marker, mark.title, mark.href)).quotes.append(mark)
    turn.sources = [cards[marker] for marker in sorted(cards)]
    return turn


def _sentence(sentence: dict[str, Any], citations: list[dict[str, Any]], slug: str) -> ShownSentence:
    marks = [
        _mark(found, slug)
        for marker in sentence.get("citations", [])
        for found in [_quote_for(sentence["text"], marker, citations)]
        if found is not None
    ]
    why: Promise | str = "" if sentence.get("supported") else DOUBTS.get(sentence.get("reason", ""), DOUBT)
    parts = BOLD.split(sentence["text"])
    return ShownSentence([(part, bool(i % 2)) for i, part in enumerate(parts) if part], marks, why)


def _quote_for(text: str, marker: int, citations: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Of the quotes with this marker the one that shares most words with the sentence."""
    words = set(WORD.findall(text.lower()))
    candidates = [each for each in citations if each["marker"] == marker]
    return max(candidates, key=lambda c: len(words & set(WORD.findall(c["quote"].lower()))), default=None)


def _mark(citation: dict[str, Any], slug: str) -> Mark:
    return Mark(citation["marker"], citation["title"], citation["quote"], article_href(slug, citation))
