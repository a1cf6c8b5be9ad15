"""Notices a model that recites its instructions (P5).

A token is drawn at random for each request and stands nowhere but in the prompt: at its very
beginning and around the sources. Who writes it has been talked into repeating what it was told.

Does not catch: instructions retold in other words, or in letters that a reader must decode. They
hold no secret.
"""

from __future__ import annotations

from dataclasses import dataclass

CODE = "prompt_leaked"


@dataclass
class LeakWatch:
    """Feed it deltas; it gives what may be shown. An end that may become the token is held back."""

    token: str
    leaked: bool = False
    _held: str = ""

    def feed(self, delta: str) -> str:
        text = self._held + delta
        if self.leaked or self.token in text.casefold():
            self.leaked, self._held = True, ""
            return ""
        longest = min(len(self.token) - 1, len(text))
        held = next((n for n in range(longest, 0, -1) if self.token.startswith(text[-n:].casefold())), 0)
        self._held = text[len(text) - held :]
        return text[: len(text) - held]

    def end(self) -> str:
        held, self._held = self._held, ""
        return held
