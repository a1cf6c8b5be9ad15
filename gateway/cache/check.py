"""Whether two questions whose embeddings lie close together ask for the same thing.

An embedding hardly sees what turns an answer round: a "not", another number, another plan, product or
unit, the other way about. So a stored answer is only given to a similar question in which all of these
are equal, and in which every telling word meets one that is the same, or near in meaning.

Does not catch: names in small letters that the embedding model holds for near ("gmail", "outlook"),
where no list here tells them apart; opposites that are in no list; other languages than English, for
which the caller must not ask.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from gateway.cache.wording import SAYS_NOTHING, SIDES, SPOKEN
from gateway.likeness import best_likeness
from gateway.words import STOP, WORD, stem

MATCH = 0.5  # cosine of two words; docs/evaluation.md says why
NEGATION = re.compile(
    r"\b(?:not|no|never|none|nothing|neither|nor|without|cannot|unable|except|excluding|impossible|\w+n['’]t)\b", re.I
)
NUMBER = re.compile(r"(?<!\w)\d+(?:[.,:/-]\d+)*")
SYMBOL = re.compile(r"[$€£¥%#+]|(?<=\w)\.\w{2,5}\b")  # currencies, shares, and endings of files
PHRASES = [
    re.compile(r"\b(?:turn\w*|switch\w*)\b(?:\W+\w+){0,4}?\W+(on|off)\b", re.I),
    re.compile(r"\b(?:log\w*|sign\w*)[ -]?(in|out|off|up|on)\b", re.I),
    re.compile(r"\b(?:zoom\w*|scroll\w*|check\w*|opt\w*|move\w*)\W+(in|out|up|down)\b", re.I),
]
KIND = re.compile(r"\b(when|who|whose|where|why|how (?:long|much|many|often|soon|far|old|big|large))\b", re.I)
NAMED = re.compile(r"[^\W_]+(?:[.'’-][^\W_]+)*")
BEGUN = re.compile(r"(?:^|[.!?:\n]\s*)[\W_]*$")
ODD = re.compile(r"[a-z]\d|\d[a-z]|[a-z][A-Z]")
REVERSING = re.compile(r"(?:un|dis|de|in|im|ir|il|re|non)-?")
ROUTE = re.compile(
    r"\b(from|to|into|over|for|by|than)\s+(?:(?:a|an|the|my|your|another|other)\s+)*([\w@'-]+(?:\.\w+)*)", re.I
)


def difference(one: str, other: str, *, match: float = MATCH) -> str:
    """The first thing in which the questions differ, as a stable code; empty where none does."""
    if len(NEGATION.findall(one)) != len(NEGATION.findall(other)):
        return "negation"
    if _quantities(one) != _quantities(other):
        return "number"
    if _chosen_otherwise(one, other):
        return "choice"
    if _kinds(one, other):
        return "kind"
    if _turned_round(one, other):
        return "direction"
    words, others = _telling(one), _telling(other)
    if _names(one) - others.keys() or _names(other) - words.keys():
        return "name"
    if _reversed(words, others):
        return "choice"
    return "word" if _unmet(words, others, match) or _unmet(others, words, match) else ""


def _quantities(text: str) -> list[str]:
    """In order of the alphabet, each as often as it stands there."""
    spoken = [SPOKEN[word] for word in WORD.findall(text.lower()) if word in SPOKEN]
    written = [number.replace(",", "") for number in NUMBER.findall(text)]
    return sorted([*spoken, *written, *SYMBOL.findall(text.lower())])


def _chosen_otherwise(one: str, other: str) -> bool:
    sides, others = _sides(one), _sides(other)
    return any(sides[choice] != others[choice] for choice in sides.keys() & others.keys())


def _sides(text: str) -> dict[int, set[int | str]]:
    """By choice."""
    found: dict[int, set[int | str]] = {}
    for word in WORD.findall(text.lower()):
        if word in SIDES:
            choice, side = SIDES[word]
            found.setdefault(choice, set()).add(side)
    for number, phrase in enumerate(PHRASES, 1):
        if sides := {side.lower() for side in phrase.findall(text)}:
            found[-number] = sides
    return found


def _kinds(one: str, other: str) -> bool:
    """Whether one asks when and the other how much. "How" and "what" may stand for any of them."""
    kinds, others = ({found.lower() for found in KIND.findall(text)} for text in (one, other))
    return bool(kinds and others and not kinds & others)


def _turned_round(one: str, other: str) -> bool:
    """Whether "from A to B" became "from B to A"."""
    ways, others = ({(way.lower(), stem(word.lower())) for way, word in ROUTE.findall(text)} for text in (one, other))
    places, other_places = {word for _, word in ways}, {word for _, word in others}
    return len(places) > 1 and len(places & other_places) > 1 and ways != others


def _telling(text: str) -> dict[str, str]:
    """The words that count, as they stand, by their stems."""
    return {stem(word): word for word in WORD.findall(text.lower()) if word not in STOP}


def _names(text: str) -> set[str]:
    """Stems of words that are written as names: capitals where no sentence begins, or letters with digits."""
    words = [each for each in NAMED.finditer(text) if each.group() != "I"]
    inner = [each for each in words if not BEGUN.search(text[: each.start()])]
    capitals = [each.group() for each in inner if each.group()[0].isupper()]
    if len(capitals) * 2 > len(inner):  # a headline, or somebody who shouts
        capitals = []
    odd = [each.group() for each in words if ODD.search(each.group())]
    plain = {part.lower() for name in [*capitals, *odd] for part in WORD.findall(name)}
    return {stem(word) for word in plain if word not in STOP and len(word) > 1}


def _reversed(words: Iterable[str], others: Iterable[str]) -> bool:
    """Whether a word of one stands in the other with a prefix that turns it round, as in "unlock"."""
    mine, theirs = set(words), set(others)
    return any(_turns(a, b) or _turns(b, a) for a in mine - theirs for b in theirs - mine)


def _turns(word: str, longer: str) -> bool:
    return longer.endswith(word) and bool(REVERSING.fullmatch(longer[: len(longer) - len(word)]))


def _unmet(words: dict[str, str], others: dict[str, str], match: float) -> bool:
    """Whether a word that says something meets none of the other question's that is near enough to it."""
    telling = words.keys() - others.keys() - SAYS_NOTHING
    alone = [words[each] for each in telling]
    return any(near < match for near in best_likeness(alone, others.values()))
