"""Names of persons: from lists, from the words around them, and from how surnames end.

A name from a list counts by itself where it is no word of a language as well; otherwise something
else has to speak for it: another name beside it, a title, or words such as "my name is". What is part
of a name in one place of a text is taken for one in the others.

Does not catch: names that no list has and that nothing announces, and scripts without spaces.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from gateway.redaction.spans import Kind, Span
from gateway.redaction.tokens import Token
from gateway.redaction.words import COMMON, ORGANISATION, Names, listed, names

MOST = 5  # words of one name
LONG = 4  # letters by which a part of a name is known again
TITLES = listed("titles")
PARTICLES = listed("particles")
HUMAN = listed("human verbs")
SAYING = listed("saying")
LEADS = listed("leads to a name")
ENDINGS = re.compile(
    r"[^\W\d_]{2,}(?:ss?en|sson|sdóttir|d[óo]ttir|[ei]v?i[ćc]|ov|ova|ev|eva|vich|enko|chuk|yuk|ski|ska|sky|skaya|cki|"
    r"cka|wicz|czyk|ček|escu|eanu|ides|opoulos|oglu|[rdkt]yan|[ij]an|shvili|adze|dze|g[aå]+rd|quist|qvist|lund|str[öø]m|berg|"
    r"burg|stein|mann|bauer|meyer|maier|huber|elli|etti|ucci|[dnrt]ez|hoff|inen|ová|ský|yama|moto|mura|[kg]awa|[sz]aki|"
    r"hashi|naka|tani|bayashi)|(?:mac|mc|o['’]|fitz)[^\W\d_]{3,}",
    re.IGNORECASE,
)
SURE_ENDINGS = re.compile(
    r"[^\W\d_]{2,}(?:sson|[bdglmnrtv]sen|sdóttir|ić|ovich|evich|enko|wicz|czyk|escu|opoulos|oglu|shvili|ová|ský|ainen|quist|qvist)"
    r"|(?:Mc|O['’]|Fitz)[A-ZÁÉ][^\W\d_]{3,}"
)
FOREIGN_LETTERS = re.compile("[^\x00-\x7fäöüßéèàçêâîôûùÄÖÜÉÈÀÇ’]")
ANNOUNCING = (
    r"(?:my|your|his|her|their|the|full|first|last|user|customer|contact|account|maiden|family|sur)[- ]?"
    r"(?:full |first |last )?name(?: is| was|:|\?)",
    r"name(?:\s?:| is)|named(?: \w{2,3})?|is called|signed:?|attn:?|speak (?:to|with)|talk(?:ed|ing)? (?:to|with)|"
    r"spoke (?:to|with)|ask for|dear|liebe[r]?|bonjour|chère?|hola|ciao",
    r"(?:(?:best|kind|warm) )?regards,?|sincerely,?|thank you,|grüßen,?|gruß,?|cordialement,?|saludos,?",
    r"ich heiße|mein name ist|je m['’]appelle|me llamo|mi chiamo|mijn naam is|married to|patient:?|follow up with|"
    r"my (?:wife|husband|son|daughter|brother|sister|mother|father|boss|colleague|friend|partner|manager)",
)
BEFORE = re.compile(rf"(?:\b|(?<=\n))(?:{'|'.join(ANNOUNCING)})\s{{1,3}}$", re.IGNORECASE)
WEAK_BEFORE = re.compile(
    r"\b(?:i am|i['’]m|this is|here is|hi|hello|hey|hallo|contact|cc|from:|to:|cc:|user:|customer:|cheers,?|thanks,)"
    r"\s{1,3}$",
    re.IGNORECASE,
)


def person_names(text: str, words: list[Token]) -> Iterator[Span]:
    known = names()
    found = list(_found(text, words, known))
    yield from (Span(words[at].start, words[at + size - 1].end, Kind.NAME) for at, size in found)
    parts = {
        word.text
        for at, size in found
        for word in words[at : at + size]
        if size > 1 and word.capital and len(word.text) >= LONG and word.low not in known.words
    }
    if parts:
        yield from (Span(word.start, word.end, Kind.NAME) for word in words if word.text in parts)


def _found(text: str, words: list[Token], known: Names) -> Iterator[tuple[int, int]]:
    """Where a name begins, and of how many words it is. Where nobody uses capitals, none are asked for."""
    small = known.unmistakable
    careless = len(words) > 2 and not any(word.capital for word in words)
    place = 0
    while place < len(words):
        word, size = words[place], 0
        if word.capital:
            size = 0 if word.low in COMMON or word.low in TITLES else _name_at(text, words, place, known)
        elif word.low in small:
            size = _small(words, place, known) or int(careless or _speaks(text, word))
        elif careless and place and words[place - 1].low in TITLES and word.low not in known.words:
            size = 1
        if size:
            yield place, size
        place += size or 1


def _name_at(text: str, words: list[Token], place: int, known: Names) -> int:
    """How many words from here are one name; 0 when none begins here."""
    word, run = words[place], _run(words, place)
    before = words[place - 1] if place else None
    if before and before.low in TITLES and text[before.end : word.start] in (" ", ". ", "."):
        return _trimmed(run, known)
    if before and before.low in LEADS and _announced(text, word, known):
        return _trimmed(run, known)
    if size := _by_lists(run, known):
        return size
    return _by_verb(words, place, run, known)


def _run(words: Sequence[Token], place: int) -> list[Token]:
    """Capitalised words from here on, with what stands inside a name: `Ludwig van Beethoven`, `Janka M. Szász`."""
    run = [words[place]]
    for at in range(place + 1, min(len(words), place + MOST)):
        word = words[at]
        if not word.joined:
            break
        follows = word.low in PARTICLES and at + 1 < len(words) and words[at + 1].capital and words[at + 1].joined
        if not (word.capital or follows) or (word.low in COMMON and not follows and len(word.low) > 1):
            break
        run.append(word)
    while not run[-1].capital:
        run.pop()
    return run


def _announced(text: str, word: Token, known: Names) -> bool:
    """Whether the words before say that a name follows. After `I am` or `Hello` other things may come too."""
    if word.low in ORGANISATION:
        return False
    before = text[max(0, word.start - 40) : word.start]
    if BEFORE.search(before) is not None:
        return True
    likely = word.low not in known.words and (
        word.low in known.given or word.low in known.family or _foreign(word.text) or not word.text.isascii()
    )
    return likely and WEAK_BEFORE.search(before) is not None


def _trimmed(run: list[Token], known: Names) -> int:
    """A name that was announced ends where no name goes on."""
    size = 1
    for word in run[1:4]:
        if word.low in known.words and word.low not in known.family:
            break
        size += 1
    return size


def _by_lists(run: list[Token], known: Names) -> int:
    first, size = run[0], 1
    for at, word in enumerate(run[1:], start=2):
        after_initial = at > 2 and len(run[at - 2].text) == 1 and word.low not in known.words
        if not (after_initial or _family_like(word, known)):
            break
        size = at
    after = run[size].low if size < len(run) else ""
    if after in ORGANISATION or any(each.low in ORGANISATION for each in run[1:size]):
        return 0
    if first.low in known.words or first.low in known.places:
        named = first.low in known.given and (_sure_family(run[size - 1], known) or _has_initial(run, size))
        return size if size > 1 and named else 0
    if size > 1:
        return _of_several(run, size, known)
    return _alone(run, known)


def _of_several(run: list[Token], size: int, known: Names) -> int:
    """What goes on like a name is one if it begins like one, or ends as only surnames do."""
    first, ends = run[0], run[size - 1]
    if first.low in known.given:
        return size
    initial = len(first.text) > 2 and _has_initial(run, size)
    if initial or (_sure_family(ends, known) and not (first.text.isupper() and len(first.text) > 1)):
        return size
    return 0


def _has_initial(run: Sequence[Token], size: int) -> bool:
    """`Mijail C Adomo`."""
    return size > 2 and len(run[1].text) == 1 and len(run[2].text) > 2


def _alone(run: list[Token], known: Names) -> int:
    """One word that speaks for itself, and maybe one beside it that no list knows."""
    first, rest = run[0], run[1:]
    if first.text.isupper() or len(first.low) < 3:
        return 0
    unknown_next = bool(rest) and rest[0].low not in known.words and rest[0].low not in known.places
    if first.low in known.given:
        return 2 if unknown_next and rest[0].text.istitle() else 1
    if unknown_next and (FOREIGN_LETTERS.search(first.text) or FOREIGN_LETTERS.search(rest[0].text)):
        return 2
    sure = first.low in known.family or SURE_ENDINGS.fullmatch(first.text) is not None
    return 1 if sure and not rest else 0


def _by_verb(words: Sequence[Token], place: int, run: list[Token], known: Names) -> int:
    """`Shovda lives at`, `says Gerste`: only persons do so. A word that is none of a language, nor of a place."""
    first, after = run[0], words[place + len(run)] if place + len(run) < len(words) else None
    if len(run) > 2 or any(word.low in known.words or word.low in known.places for word in run) or first.text.isupper():
        return 0
    if after is not None and after.joined and not after.capital and after.low in HUMAN:
        return len(run)
    before = words[place - 1] if place else None
    said = before is not None and first.joined and not before.capital and before.low in SAYING
    return len(run) if said else 0


def _small(words: Sequence[Token], place: int, known: Names) -> int:
    """`patricia desrosiers`, `benjamin a seiler`: a sure given name and something like a surname."""
    after = words[place + 1 : place + 3]
    if len(after) > 1 and len(after[0].low) == 1 and after[0].low != "i" and all(word.joined for word in after):
        return 3 if after[1].low not in known.words and len(after[1].low) > 3 else 0
    if after and after[0].joined and not after[0].capital and len(after[0].low) > 3 and after[0].low not in known.words:
        return 2 if after[0].low in known.family or _foreign(after[0].text) else 0
    return 0


def _speaks(text: str, word: Token) -> bool:
    """`mika: "who are you?"`, at the beginning of a line."""
    return word.begins and text[word.end : word.end + 1] == ":"


def _family_like(word: Token, known: Names) -> bool:
    if not word.capital:
        return word.low in PARTICLES
    if len(word.text) == 1:
        return True
    return word.low in known.family or word.low in known.given or _foreign(word.text) or _doubled(word.text)


def _doubled(text: str) -> bool:
    """`Smith-Jones`, but not `Intel-based`."""
    return "-" in text and all(part[:1].isupper() for part in text.split("-"))


def _sure_family(word: Token, known: Names) -> bool:
    return (known.sure(word.low) or _foreign(word.text)) and word.low not in known.places and len(word.low) > 2


def _foreign(text: str) -> bool:
    return len(text) > 4 and ENDINGS.fullmatch(text) is not None
