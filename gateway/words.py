"""The words of a text that carry its content, brought to their stems (Snowball, Porter2)."""

from __future__ import annotations

import re
from functools import lru_cache

import snowballstemmer

# A number keeps what stands within it: 1,000 and 10:30 and 3.5 are one word each.
WORD = re.compile(r"[^\W_]+(?:[.,:/-]\d+)*")
# Words that say nothing of what a text is about. Negations are not among them.
STOP = frozenset(
    """a an and any are as at be been but by can could did do does for from get had has have hello help hi how i if in
    into is it its me my need of on or our please so that the their them then there these they this to up us want was
    we were what when where which who why will with would you your""".split()  # noqa: SIM905
)
_stemmer = snowballstemmer.stemmer("english")


@lru_cache(maxsize=50_000)
def stem(word: str) -> str:
    """Of a word in lower case."""
    return str(_stemmer.stemWord(word))


def content_words(text: str) -> frozenset[str]:
    """The stems of all words but the common ones."""
    return frozenset(map(stem, telling_words(text)))


def telling_words(text: str) -> list[str]:
    """All words but the common ones, each once, as they stand, in lower case."""
    return list(dict.fromkeys(word for word in WORD.findall(text.lower()) if word not in STOP))
