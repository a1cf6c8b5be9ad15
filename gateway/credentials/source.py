"""Where credentials come from: each origin is a value of the settings, and opens a source."""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from gateway.credentials.secret import NO_KEY, Credential, Secret

KEY = re.compile(r"[\x21-\x7e]+")


class CredentialSource(Protocol):
    """Asked at each request, so that what was rotated is used without a restart. Safe to share between
    threads and event loops."""

    async def current(self) -> Sequence[Credential]:
        """Those in force, in the order in which they are tried. Raises `ProviderError`."""
        ...

    def refused(self, credential: Credential) -> None:
        """The provider says that this one is not valid: a source that keeps it looks for a newer one."""
        ...


class Origin(Hashable, Protocol):
    """A frozen value whose repr shows no secret. Equal ones share what they open."""

    def open(self) -> CredentialSource: ...


@dataclass(frozen=True)
class GivenKeys:
    """Keys that the settings hold themselves. None at all is what a server without keys needs; an adapter
    that needs one says so by itself."""

    variable: str
    text: str = field(default="", repr=False)
    key_id: str = field(default="", repr=False)

    def open(self) -> CredentialSource:
        if self.key_id:
            return Fixed((Credential(self.variable, Secret(self.text), self.key_id),))
        return Fixed(credentials(self.text, self.variable) if self.text else (NO_KEY,))


class Fixed:
    """Does not change while the process runs."""

    def __init__(self, held: Sequence[Credential]) -> None:
        self._held = held

    async def current(self) -> Sequence[Credential]:
        return self._held

    def refused(self, credential: Credential) -> None:
        """There is no newer one."""


def credentials(text: str, where: str, *, paired: bool = False) -> tuple[Credential, ...]:
    """The keys in `text`, separated by commas or lines; `paired` ones read `id:secret` or `id:secret:token`.
    Raises `ValueError` with a sentence that repeats no key."""
    lines = [line.strip() for line in text.strip().splitlines()]
    found = dict.fromkeys(each.strip() for line in lines for each in line.split(","))
    if not all(KEY.fullmatch(each) for each in found):
        raise ValueError(f"{where} is no list of keys: an empty place, a space or a letter that no key has.")
    names = _names(where, len(found))
    return tuple(_one(each, name, paired=paired) for each, name in zip(found, names, strict=True))


def _names(where: str, count: int) -> list[str]:
    return [where] if count == 1 else [f"{where}, {number} of {count}" for number in range(1, count + 1)]


def _one(text: str, name: str, *, paired: bool) -> Credential:
    if not paired:
        return Credential(name, Secret(text))
    parts = text.split(":")
    if len(parts) not in {2, 3} or not all(parts):
        raise ValueError(f"{name} does not read id:secret or id:secret:token.")
    return Credential(name, Secret(parts[1]), parts[0], Secret("".join(parts[2:])))
