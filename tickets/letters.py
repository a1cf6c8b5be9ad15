"""Makes a letter of a checked draft: a greeting, the text, a closing.

The text alone has sentences that are cited and checked. Quotes are put together by article, and in
the order of each passage; table rows become lines; what says nothing outside of its article goes. A
greeting or closing that a model wrote in spite of its orders gives way to ours.

Does not catch: a quoted sentence whose "it" or "they" is named in another paragraph, where it is
long enough to pass for a statement of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from django.utils import translation
from django.utils.translation import gettext as _

from assistant.pipeline.compose import Outcome
from assistant.pipeline.grounding import RULE, Sentence
from assistant.pipeline.numbering import recounted
from gateway.words import content_words
from knowledge.models import Document

MAX_NAME = 60
LONGEST_TITLE = 12  # words
TELLING = 4  # content words beside an article's title, below which a sentence merely points there
OWN_WORDS = 4  # words that a quote must have to say something
OWN_WORDS_WITH_PRONOUN = 7

GREETING = re.compile(r"(?:hello|hi|dear|good (?:morning|day)|hallo|guten tag|liebe[rs]?|sehr geehrte[rs]?)\b", re.I)
CLOSING = re.compile(r"(?:(?:kind|best|warm) regards|sincerely|yours|(?:mit )?(?:freundliche|viele|beste)n? gr)", re.I)
LONGEST_GREETING = 60
ITEM = re.compile(r"(?:\d{1,2}[.)]|[-•*])\s+")
BOLD = re.compile(r"\*\*(.+?)\*\*")
OF_ITSELF = re.compile(r"\bthis (?:article|page)\b|\bdies(?:e|er|em|en) (?:artikel|seite)\b", re.I)
PRONOUN = re.compile(r"\b(?:it|its|them|they|this|that|those|these)\b", re.I)
GERMAN = frozenset("der die das und nicht ich ein eine mit für wie kann mein bitte wir auf zu mich wird".split())  # noqa: SIM905
ENGLISH = frozenset("the and is not i a an with for how can my please we you on to it of".split())  # noqa: SIM905
WORD = re.compile(r"[^\W\d_]+")
NAME = re.compile(r"[^\w .'’-]|[\d_]")


def as_letter(outcome: Outcome, *, to: str, sender: str) -> str:
    """The letter; the outcome keeps the sentences of its text as they stand there. Call within
    `tenant_scope`."""
    quoted = outcome.trace.provider == "extractive"
    sentences = _lines(outcome.sentences)
    outcome.sentences = recounted(_quotes_in_order(sentences) if quoted else _without_frame(sentences))
    with translation.override(language_of(outcome.question)):
        name = _name(to)
        greeting = _("Hello %(name)s,") % {"name": name} if name else _("Hello,")
        opening = _("Thank you for your message. This is what our help centre says:") if quoted else ""
        closing = _("Kind regards")
    return "\n\n".join(filter(None, [greeting, opening, outcome.text, f"{closing}\n{sender}"]))


def language_of(text: str) -> str:
    """`de` or `en`, by function words; what shows neither counts as English."""
    words = [word.lower() for word in WORD.findall(text)]
    german, english = (sum(word in known for word in words) for known in (GERMAN, ENGLISH))
    return "de" if german > english else "en"


def _name(name: str) -> str:
    """A customer chose it, and an e-mail address or a marker like [1] is no name."""
    plain = " ".join(name.split())
    return "" if NAME.search(plain) or len(plain) > MAX_NAME else plain


def _without_frame(sentences: Sequence[Sentence]) -> list[Sentence]:
    kept = list(sentences)
    if kept and GREETING.match(kept[0].text) and len(kept[0].text) < LONGEST_GREETING and not kept[0].markers:
        kept = kept[1:]
    closing = next((at for at, each in enumerate(kept) if CLOSING.match(each.text) and not each.markers), len(kept))
    return kept[:closing] or list(sentences)


def _lines(sentences: Sequence[Sentence]) -> list[Sentence]:
    """Table rows as lines of text, without the row that names their columns."""
    lines: list[Sentence] = []
    columns: list[str] | None = None
    for sentence in sentences:
        if "|" not in sentence.text:
            columns = None
            lines.append(replace(sentence, text=BOLD.sub(r"\1", sentence.text)))
        elif columns is None:
            columns = _cells(sentence.text)
            if sentence.markers:
                lines.append(replace(sentence, text=_line([], columns)))
        elif not RULE.fullmatch(sentence.text):
            lines.append(replace(sentence, text=_line(columns, _cells(sentence.text)), lead="\n"))
    return lines


def _cells(row: str) -> list[str]:
    return [BOLD.sub(r"\1", cell).strip() for cell in row.strip().strip("|").split("|")]


def _line(columns: Sequence[str], cells: Sequence[str]) -> str:
    """`Pro: 10 devices` of a short table; `Pro – devices: 10; storage: 2 TB` of a wide one."""
    name, *values = cells
    named = [
        (column, value) for column, value in zip([*columns[1:], *[""] * len(cells)], values, strict=False) if value
    ]
    if len(values) > 1 and any(column for column, _value in named):
        return f"{name} – " + "; ".join(f"{_asked(column)} {value}" for column, value in named)
    if not named or any(character.isalpha() for character in named[0][1]) or not named[0][0]:
        return ": ".join([name, *(value for _column, value in named)])
    column, value = _small(named[0][0]), named[0][1]
    return f"{name}: {value} {column}" if " " not in column else f"{name}: {value} ({column})"


def _asked(column: str) -> str:
    return _small(column) if column.endswith("?") else f"{_small(column)}:"


def _small(column: str) -> str:
    """As it reads within a line: `Devices` with a small letter, `VAT` and German words as they are."""
    english = column.isascii() and column[1:2].islower() and language_of(column) == "en"
    return column[:1].lower() + column[1:] if english else column


def _quotes_in_order(sentences: Sequence[Sentence]) -> list[Sentence]:
    """By article, best passage first and in its order, each once, without those that say nothing by
    themselves."""
    once = {each.text: each for each in reversed(sentences)}
    placed = sorted(once.values(), key=_place)
    pointed_at = _titles(placed)
    previous = [None, *placed[:-1]]
    told = [
        each
        for each, before in zip(placed, previous, strict=True)
        if not _is_stub(each.text, pointed_at, goes_on=_goes_on(each, before))
    ]
    told = told or placed
    return [_set(told, index) for index in range(len(told))]


def _place(sentence: Sentence) -> tuple[int, int, int]:
    """Its article's number, its passage's rank, and where it begins."""
    places = [(quote.marker, quote.source.marker, quote.start) for quote in sentence.quotes]
    return min(places, default=(0, 0, 0))


def _titles(sentences: Iterable[Sentence]) -> list[str]:
    """Titles of articles that sentences end with."""
    ends = set()
    for sentence in sentences:
        words = sentence.text.rstrip(".) ").split(" ")
        ends |= {" ".join(words[-count:]) for count in range(1, min(len(words), LONGEST_TITLE) + 1)}
    return list(Document.objects.filter(title__in=ends).values_list("title", flat=True))


def _is_stub(text: str, titles: Iterable[str], *, goes_on: bool) -> bool:
    plain = ITEM.sub("", text, count=1)
    if ITEM.match(text) is None and ":" not in text and len(plain.split()) < OWN_WORDS:
        return True
    leans = PRONOUN.search(plain) and len(plain.split()) < OWN_WORDS_WITH_PRONOUN
    if OF_ITSELF.search(plain) or (leans and not goes_on):
        return True
    end = plain.rstrip(".) ")
    return any(
        end.endswith(title) and len(content_words(end.removesuffix(title))) <= TELLING for title in titles if title
    )


def _set(told: Sequence[Sentence], index: int) -> Sentence:
    """A quote with the space before it; an item that stands alone loses its bullet or number."""
    sentence, before = told[index], told[index - 1] if index else None
    beside = [told[at] for at in (index - 1, index + 1) if 0 <= at < len(told)]
    listed = any(
        ITEM.match(each.text) or each.text.endswith(":") for each in beside if _article(each) == _article(sentence)
    )
    text = sentence.text if listed else ITEM.sub("", sentence.text, count=1)
    if before is None or _article(before) != _article(sentence):
        return replace(sentence, text=text, lead="\n\n" if before else "")
    same_paragraph = _goes_on(sentence, before) and sentence.lead.strip("\n")
    return replace(sentence, text=text, lead=sentence.lead if same_paragraph else "\n")


def _goes_on(sentence: Sentence, before: Sentence | None) -> bool:
    """Whether it is what its article says next."""
    gap = _place(sentence)[2] - _end(before) if before else -1
    return before is not None and _article(before) == _article(sentence) and 0 <= gap <= 2


def _article(sentence: Sentence) -> int:
    return _place(sentence)[0]


def _end(sentence: Sentence) -> int:
    return max((quote.end for quote in sentence.quotes), default=0)
