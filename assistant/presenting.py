"""Cited text as the templates show it: saved answers here, drafts and agents' replies in the layer
above. `static/js/answer.js` makes the same markup from the same object while an answer streams; a
browser test compares the two."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from assistant.errors import EmptyQuestion, QuestionTooLong, UnknownConversation
from assistant.models import Message
from assistant.pipeline.answer import FAILURES

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
MARKER = re.compile(r"[ \t]*\[(\d{1,3})\]")
BULLET = re.compile(r"^[-*] ")  # of a list's item that is quoted alone
BLANK_LINES = re.compile(r"\n\s*\n")


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
    why: Promise | str = ""
    text: str = ""  # as it was written
    cells: list[str] = field(default_factory=list)  # of a table's row, which a quoted row is shown as


@dataclass
class SourceCard:
    marker: int
    title: str
    href: str
    outdated: bool = False
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
    extractive: bool = False  # as configured
    quoted_instead: bool = False  # of an answer, which no model could be reached for
    pointed_instead: bool = False  # not even quoted
    cached: str = ""  # "exact" or "semantic", where the answer was given before
    thumb: str = ""


def failures() -> dict[str, str]:
    """Why a question got no answer, by code and in the reader's language. What is not in it is told
    as any failure is."""
    refused = {each.code: each.detail for each in (EmptyQuestion, QuestionTooLong, UnknownConversation)}
    return {code: gettext(text) for code, text in (FAILURES | refused).items()}


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
    degraded, answered = bool(final.get("degraded")), message.status == "answered"
    turn.extractive = final.get("provider") == "extractive" and answered and not degraded
    turn.quoted_instead = degraded and answered
    turn.pointed_instead = degraded and not answered
    turn.cached = final.get("cached", "") if answered else ""
    turn.thumb = thumbs.get(message.pk, "")
    turn.nearest = nearest(final, slug)
    turn.paragraphs = paragraphs(final, slug)
    turn.sources = source_cards(citations, slug)
    return turn


def paragraphs(final: dict[str, Any], slug: str) -> list[list[ShownSentence]]:
    """The checked sentences of an answer (the object that `manage.py ask` prints)."""
    shown: list[list[ShownSentence]] = []
    for sentence in final.get("sentences") or []:
        if not shown or "\n" in sentence.get("lead", ""):
            shown.append([])
        shown[-1].append(_sentence(sentence, final.get("citations") or [], slug))
    return shown


def cited_text(text: str, citations: list[dict[str, Any]], slug: str) -> list[list[ShownSentence]]:
    """Text with markers such as [2], as a person sends it: in paragraphs, each stretch followed by
    the marks of its quotes. A number in brackets that cites nothing stays text."""
    known = {citation["marker"] for citation in citations}
    return [_stretches(part, citations, known, slug) for part in BLANK_LINES.split(text.strip())]


def _stretches(text: str, citations: list[dict[str, Any]], known: set[int], slug: str) -> list[ShownSentence]:
    shown: list[ShownSentence] = []
    position = 0
    for match in MARKER.finditer(text):
        if int(match[1]) not in known:
            continue
        before = text[position : match.start()].lstrip(" " if shown else "")
        if before or not shown:
            shown.append(ShownSentence(_runs(before), [], text=before))
        citation = _quote_for(shown[-1].text, int(match[1]), citations)
        if citation is not None:
            shown[-1].marks.append(_mark(citation, slug))
        position = match.end()
    rest = text[position:].lstrip(" " if shown else "")
    return [*shown, ShownSentence(_runs(rest), [], text=rest)] if rest.strip() else shown


def source_cards(citations: list[dict[str, Any]], slug: str) -> list[SourceCard]:
    """One card for each cited article, with all its quotes."""
    cards: dict[int, SourceCard] = {}
    for citation in citations:
        mark = _mark(citation, slug)
        outdated = bool(citation.get("outdated"))
        cards.setdefault(mark.marker, SourceCard(mark.marker, mark.title, mark.href, outdated)).quotes.append(mark)
    return [cards[marker] for marker in sorted(cards)]


def nearest(final: dict[str, Any], slug: str) -> list[dict[str, str]]:
    """The articles that came closest to a question that was not answered."""
    return [
        {"title": each["title"], "href": reverse("portal:article", args=[slug, each["document"]])}
        for each in final.get("nearest") or []
    ]


def _sentence(sentence: dict[str, Any], citations: list[dict[str, Any]], slug: str) -> ShownSentence:
    marks = [
        _mark(found, slug)
        for marker in sentence.get("citations", [])
        for found in [_quote_for(sentence["text"], marker, citations)]
        if found is not None
    ]
    why: Promise | str = "" if sentence.get("supported") else DOUBTS.get(sentence.get("reason", ""), DOUBT)
    text = sentence["text"]
    cells = [part.strip() for part in text.split("|")] if "|" in text else []
    return ShownSentence(_runs(BULLET.sub("• ", text)), marks, why, text, cells)


def _runs(text: str) -> list[tuple[str, bool]]:
    return [(part, bool(i % 2)) for i, part in enumerate(BOLD.split(text)) if part]


def _quote_for(text: str, marker: int, citations: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Of the quotes with this marker the one that is most like the sentence: the largest share of
    the words of both stands in both."""
    words = set(WORD.findall(text.lower()))

    def likeness(citation: dict[str, Any]) -> float:
        quoted = set(WORD.findall(citation["quote"].lower()))
        return len(words & quoted) / max(len(words | quoted), 1)

    return max((each for each in citations if each["marker"] == marker), key=likeness, default=None)


def _mark(citation: dict[str, Any], slug: str) -> Mark:
    return Mark(citation["marker"], citation["title"], citation["quote"], article_href(slug, citation))
