"""How much a minute."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Rates:
    """None is no limit."""

    requests: float | None = None
    tokens: float | None = None

    def __bool__(self) -> bool:
        return self.requests is not None or self.tokens is not None

    def within(self, other: Rates) -> Rates:
        """The tighter of the two."""
        return Rates(_tighter(self.requests, other.requests), _tighter(self.tokens, other.tokens))


def _tighter(one: float | None, other: float | None) -> float | None:
    return min((each for each in (one, other) if each is not None), default=None)
