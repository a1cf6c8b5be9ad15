"""A secret that does not show itself, and a credential made of such.

Does not catch: who calls `reveal` and prints what it gives; only adapters and exchanges call it.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from typing import NoReturn

HIDDEN = "[secret]"


class Secret:
    """Text that stands in no repr, log line, traceback or pickle (T12)."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself."""
        return self._text

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return HIDDEN

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is neither pickled nor copied")


@dataclass(frozen=True)
class Credential:
    """What a provider is asked with. `name` is for people and holds nothing secret. `key_id` and `token` are
    AWS's. `identity` is what stays the same while a short-lived token changes."""

    name: str
    secret: Secret = field(default=Secret(""))
    key_id: str = field(default="", repr=False)
    token: Secret = field(default=Secret(""))
    identity: str = ""

    @property
    def account(self) -> str:
        """What tells one account at the provider from another. A secret where the key is all there is."""
        return self.identity or self.key_id or self.secret.reveal()


NO_KEY = Credential("no key")
