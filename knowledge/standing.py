"""Whether an article says of itself that it is outdated, and which one holds in its place.

It says so in its front matter (`status: outdated`, `superseded_by: …`) or in a notice that it begins
with. An article that merely speaks of outdated things is not one.

Does not catch: a notice in other words, at the end, or in a language other than English and German.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from django.db.models import Q

from accounts.permissions import Actor
from knowledge.models import Document
from knowledge.types import BlockKind, ConvertedDocument

OUTDATED = frozenset(["outdated", "deprecated", "superseded", "obsolete", "archived", "replaced", "veraltet"])
LEADING = 3  # blocks, of which the first may be the title and the second a table of contents
LONGEST_NOTICE = 600
LONGEST_TITLE = 12  # words
_ONE_WORD = re.compile(r"\W*(?:outdated|deprecated|superseded|obsolete|veraltet|überholt)\W*[.:!\n–—]", re.I)
_SENTENCE = re.compile(
    r"\b(?:this|these) (?:article|page|document|guide|terms|instructions) (?:is|are|was|were|has been|have been) "
    r"(?:now )?(?:outdated|out of date|obsolete|deprecated|superseded|replaced|no longer (?:valid|current))\b"
    r"|\bdiese(?:r|s)? (?:artikel|seite|dokument|anleitung) (?:ist (?:veraltet|überholt|nicht mehr gültig)"
    r"|wurde (?:abgelöst|ersetzt)|gilt nicht mehr)\b",
    re.I,
)


@dataclass(frozen=True)
class Standing:
    """`successor` is how the article names the one in its place: a title, an address or an
    identity, or the notice that speaks of it. Empty where it names none."""

    outdated: bool = False
    successor: str = ""


def standing(converted: ConvertedDocument) -> Standing:
    said = converted.metadata
    successor = said.get("superseded_by", "").strip()
    if successor or said.get("status", "").strip().lower() in OUTDATED:
        return Standing(True, successor[:LONGEST_NOTICE])
    for block in converted.blocks[:LEADING]:
        text = converted.text[block.start : block.end]
        if block.kind == BlockKind.PARAGRAPH and (_ONE_WORD.match(text) or _SENTENCE.search(text[:LONGEST_NOTICE])):
            return Standing(True, text[:LONGEST_NOTICE])
    return Standing()


def successor(document: Document, actor: Actor) -> Document | None:
    """The article in place of an outdated one, where this person may read it."""
    named = document.superseded_by
    if not document.outdated or not named:
        return None
    others = Document.objects.visible_to(actor).exclude(pk=document.pk).exclude(current_version=None)
    others = others.filter(outdated=False)
    stem = named.strip("/").removesuffix(".md").removesuffix(".html")
    exact = others.filter(Q(external_id=named) | Q(url=named) | Q(title=named) | Q(external_id__startswith=f"{stem}."))
    return exact.first() or max(others.filter(title__in=_runs(named)), key=lambda each: len(each.title), default=None)


def _runs(notice: str) -> set[str]:
    """All runs of words that may be a title."""
    words = re.sub(r"[.,;:!?](?=\s|$)", "", notice).split()
    return {
        " ".join(words[start:end])
        for start in range(len(words))
        for end in range(start + 1, min(start + LONGEST_TITLE, len(words)) + 1)
    }
