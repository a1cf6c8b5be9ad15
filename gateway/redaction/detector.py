"""Finds personal data in a text. Every detector is a `Detector`; the gateway knows no more of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from gateway.errors import NotInstalled
from gateway.redaction.addresses import addresses
from gateway.redaction.identities import identities
from gateway.redaction.names import person_names
from gateway.redaction.numbers import numbers
from gateway.redaction.places import places
from gateway.redaction.secrets import secrets
from gateway.redaction.spans import Span, apart
from gateway.redaction.tokens import tokens


class Detector(Protocol):
    """May be called from several threads at once, and may fail in any way: whoever calls it has to
    take a failure for a text that may not be sent."""

    def find(self, text: str) -> list[Span]:
        """The spans in order, none overlapping another."""
        ...


class Patterns:
    """Forms, check digits, lists of names and the words around: no model, time linear in the text."""

    def find(self, text: str) -> list[Span]:
        return apart(self._all(text))

    def _all(self, text: str) -> Iterable[Span]:
        yield from secrets(text)
        yield from numbers(text)
        yield from identities(text)
        words = tokens(text)
        yield from addresses(text, words)
        yield from person_names(text, words)
        yield from places(words)


def detector(name: str, model: str = "") -> Detector:
    """By the name that the settings give it, with the `model` that only some need. Raises `NotInstalled`."""
    if name == "presidio":
        from gateway.redaction.presidio import Presidio

        return Presidio(model)
    if name != "patterns":
        raise NotInstalled(f"no detector of personal data is called {name!r}")
    return Patterns()
