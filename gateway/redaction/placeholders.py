"""What stands for what in one call. A placeholder reads `EMAIL_K3F9P`: the kind, and five letters that
a keyed digest of the value gives, so that a value has the same one throughout a conversation and
nobody without the key can write one on purpose. One that stands in the call's own text already is
never given to a value: text cannot be forged into somebody's address.

Does not catch: a model that takes a placeholder apart, or spells it otherwise.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping

from gateway.redaction.spans import Kind, Span

LETTERS = "BCDFGHJKLMNPQRSTVWXZ23456789"  # no vowel: no digest is a word
SIZE = 5
PLACEHOLDER = re.compile(rf"(?:{'|'.join(Kind)})_[{LETTERS}]{{{SIZE}}}")


class Placeholders:
    """`key` belongs to the conversation. `texts` are all texts of the call."""

    def __init__(self, key: bytes, texts: Iterable[str]) -> None:
        self._key = key
        self._written = {found for text in texts for found in PLACEHOLDER.findall(text)}
        self._of: dict[str, str] = {}
        self.values: dict[str, str] = {}

    def of(self, kind: Kind, value: str) -> str:
        """The placeholder of a value; the kind of its first occurrence counts."""
        if value not in self._of:
            name = self._new(kind, value)
            self._of[value], self.values[name] = name, value
        return self._of[value]

    def remember(self, values: Mapping[str, str]) -> None:
        """Takes over what other placeholders of the same call stood for."""
        self.values.update(values)
        self._of.update({value: name for name, value in values.items()})

    def hidden(self, text: str, spans: Iterable[Span]) -> str:
        """The text with its spans replaced. They are in order and do not overlap."""
        parts, end = [], 0
        for span in spans:
            parts += [text[end : span.start], self.of(span.kind, text[span.start : span.end])]
            end = span.end
        return "".join([*parts, text[end:]])

    def counted(self, texts: Iterable[str]) -> dict[str, int]:
        """How many values were taken out of what became these texts, by kind."""
        names = (name for text in texts for name in PLACEHOLDER.findall(text) if name in self.values)
        return dict(Counter(name.partition("_")[0] for name in names))

    def known(self, text: str) -> list[Span]:
        """Where values that are known stand in a text, as words of their own."""
        return [
            Span(at, at + len(value), Kind(name.partition("_")[0]))
            for value, name in self._of.items()
            for at in _occurrences(text, value)
        ]

    def _new(self, kind: Kind, value: str) -> str:
        attempt = 0
        while True:
            digest = hmac.digest(
                self._key, f"{kind}\0{attempt}\0{value}".encode("utf-8", "surrogatepass"), hashlib.sha256
            )
            number = int.from_bytes(digest[:8], "big")
            letters = "".join(LETTERS[number // len(LETTERS) ** place % len(LETTERS)] for place in range(SIZE))
            name = f"{kind}_{letters}"
            if name not in self.values and name not in self._written:
                return name
            attempt += 1


class Restoring:
    """Puts values back into text that comes in pieces, wherever it is cut. What may be the beginning
    of a placeholder is held back until it is known to be one or not: at most one placeholder's length."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values
        self._pattern = re.compile("|".join(map(re.escape, values))) if values else None
        self._beginnings = {name[:size] for name in values for size in range(1, len(name))}
        self._longest = max(map(len, self._beginnings), default=0)
        self._held = ""

    def feed(self, piece: str) -> str:
        """What may be shown now."""
        text = self._restored(self._held + piece)
        self._held = ""
        for size in range(min(self._longest, len(text)), 0, -1):
            if text[-size:] in self._beginnings:
                self._held = text[-size:]
                return text[:-size]
        return text

    def end(self) -> str:
        """What was held back, when nothing more comes."""
        held, self._held = self._held, ""
        return held

    def _restored(self, text: str) -> str:
        if self._pattern is None:
            return text
        return self._pattern.sub(lambda found: self._values[found.group()], text)


def escaped(values: Mapping[str, str]) -> dict[str, str]:
    """The same for text that is JSON, where a value stands within a string."""
    return {name: json.dumps(value, ensure_ascii=False)[1:-1] for name, value in values.items()}


def _occurrences(text: str, value: str) -> Iterable[int]:
    at = text.find(value)
    while at >= 0:
        end = at + len(value)
        inside = (at > 0 and text[at - 1].isalnum() and value[0].isalnum()) or (
            end < len(text) and text[end].isalnum() and value[-1].isalnum()
        )
        if not inside:
            yield at
        at = text.find(value, at + 1 if inside else end)
