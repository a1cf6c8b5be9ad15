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

from gateway.likeness import best_likeness
from gateway.words import STOP, WORD, stem

MATCH = 0.55  # cosine of two words; docs/evaluation.md says why
NEGATION = re.compile(
    r"\b(?:not|no|never|none|nothing|neither|nor|without|cannot|unable|except|excluding|impossible|\w+n['’]t)\b", re.I
)
NUMBER = re.compile(r"\d+(?:[.,:/-]\d+)*")
SYMBOL = re.compile(r"[$€£¥%#+]|(?<=\w)\.\w{2,5}\b")  # currencies, shares, and endings of files
SPOKEN_AS = """
zero=0 two=2 three=3 four=4 five=5 six=6 seven=7 eight=8 nine=9 ten=10 eleven=11 twelve=12 dozen=12
twenty=20 thirty=30 forty=40 fifty=50 sixty=60 seventy=70 eighty=80 ninety=90 hundred=100 thousand=1000
million=1000000 half=1/2 double=x2 twice=x2 triple=x3 once=x1
"""
SPOKEN = dict(pair.split("=") for pair in SPOKEN_AS.split())
# Each line is a choice: a question that speaks of one of its sides is not one that speaks of another.
# Words of one side are joined by a stroke.
CHOICES = """
enable/activate disable/deactivate
add/insert remove/delete/erase
open close/shut
increase/raise decrease/reduce/lower
upload download
import export
send/sent receive/received
buy/purchase sell
deposit withdraw/withdrawal
credit debit
before/until after/since
more less/fewer
most/maximum/max/highest least/minimum/min/lowest
big/large/bigger/larger small/little/smaller
longer/higher shorter
faster/quicker slower
cheaper dearer
earlier later
earliest/oldest latest/newest
first last
show/unhide hide
start/begin stop/end/finish
accept/approve reject/decline/refuse
incoming outgoing
internal external
public private
old new
left right
top bottom
above below
horizontal/horizontally vertical/vertically
upgrade downgrade
online offline
manually/manual automatically/automatic
sender recipient
row column
minute/minutes hour/hours/hourly day/days/daily week/weeks/weekly month/months/monthly year/years/yearly/annual/annually
kb mb gb tb
dollar/dollars/usd euro/euros/eur pound/pounds/gbp
free basic standard plus pro/professional premium business enterprise team/teams personal family student
monday tuesday wednesday thursday friday saturday sunday
january february march april june july august september october november december
windows mac/macos/osx linux/ubuntu android ios/iphone/ipad
chrome firefox safari edge opera
today tomorrow yesterday
"""
SIDES: dict[str, tuple[int, int]] = {
    word: (choice, side)
    for choice, line in enumerate(CHOICES.split("\n"))
    for side, words in enumerate(line.split())
    for word in words.split("/")
}
PHRASES = [
    re.compile(r"\b(?:turn\w*|switch\w*)\b(?:\W+\w+){0,4}?\W+(on|off)\b", re.I),
    re.compile(r"\b(?:log\w*|sign\w*)[ -]?(in|out|off|up|on)\b", re.I),
    re.compile(r"\b(?:zoom\w*|scroll\w*|check\w*|opt\w*|move\w*)\W+(in|out|up|down)\b", re.I),
]
KIND = re.compile(r"\b(when|who|whose|where|why|how (?:long|much|many|often|soon|far|old|big|large))\b", re.I)
REVERSING = re.compile(r"(?:un|dis|de|in|im|ir|il|re|non|mis)-?")
ROUTE = re.compile(r"\b(from|to|into|over|for|by|than)\s+(?:(?:a|an|the|my|your|another|other)\s+)*([\w@'-]+(?:\.\w+)*)", re.I)


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


def _quantities(text: str) -> frozenset[str]:
    spoken = {SPOKEN[word] for word in WORD.findall(text.lower()) if word in SPOKEN}
    written = {number.replace(",", "") for number in NUMBER.findall(text)}
    return frozenset(spoken | written | set(SYMBOL.findall(text.lower())))


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
    words = list(re.finditer(r"[^\W_]+(?:[.'’-][^\W_]+)*", text))
    capitals = [each for each in words if each.group()[0].isupper()]
    if len(capitals) * 2 > len(words):  # a headline, or somebody who shouts
        capitals = []
    begun = re.compile(r"(?:^|[.!?:\n]\s*)[\W_]*$")
    named = {each.group() for each in capitals if not begun.search(text[: each.start()])}
    named |= {each.group() for each in words if re.search(r"[a-z]\d|\d[a-z]|[a-z][A-Z]", each.group())}
    plain = {part.lower() for name in named for part in WORD.findall(name)}
    return {stem(word) for word in plain if word not in STOP and len(word) > 1}


def _reversed(words: Iterable[str], others: Iterable[str]) -> bool:
    """Whether a word of one stands in the other with a prefix that turns it round, as in "unlock"."""
    mine, theirs = set(words), set(others)
    return any(_turns(a, b) or _turns(b, a) for a in mine - theirs for b in theirs - mine)


def _turns(word: str, longer: str) -> bool:
    return longer.endswith(word) and bool(REVERSING.fullmatch(longer[: len(longer) - len(word)]))


def _unmet(words: dict[str, str], others: dict[str, str], match: float) -> bool:
    """Whether a word meets none of the other question's that is near enough to it."""
    alone = [word for stemmed, word in words.items() if stemmed not in others]
    return any(near < match for near in best_likeness(alone, others.values()))
