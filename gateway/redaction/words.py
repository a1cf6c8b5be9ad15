"""Lists of words: names of persons and places, and what looks like one and is not.

The names come from Faker, whose lists are drawn from the statistics of some seventy countries. They
are read when first needed (a fifth of a second) and kept.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

LISTS_FILE = Path(__file__).with_name("lists.txt")


@dataclass(frozen=True)
class Names:
    """Lower-case. `given` and `family` hold also those that are words; `countries` are of several words too."""

    given: frozenset[str]
    family: frozenset[str]
    words: frozenset[str]
    places: frozenset[str]
    place_beginnings: frozenset[str]
    unmistakable: frozenset[str]  # given names that are no words

    def sure(self, word: str) -> bool:
        """A name, and no word of any language that we know of."""
        return (word in self.given or word in self.family) and word not in self.words


@cache
def _sections() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    section = ""
    for line in LISTS_FILE.read_text().splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif line and section and not line.startswith("#"):
            found.setdefault(section, []).append(line)
    return found


def listed(section: str) -> frozenset[str]:
    """The words of a section of `lists.txt`."""
    return frozenset(word for line in _sections()[section] for word in line.split())


COMMON = listed("common")
ORGANISATION = listed("organisation")


@cache
def names() -> Names:
    given = _collected("person", ("first_name",)) - COMMON
    family = _collected("person", ("last_name",)) - COMMON
    words = listed("also words") | COMMON | ORGANISATION | _listed("lorem", ("en_US", "de_DE"), ("word_list",))
    states = _listed("address", ("en_US", "en_CA", "en_AU", "de_DE"), ("states", "provinces"))
    countries = _listed("address", ("en",), ("countries",)) | _listed("address", ("de_DE",), ("countries",))
    places = frozenset(
        (listed("places") | frozenset(_sections()["countries"]) | states | countries) - listed("not places")
    )
    beginnings = frozenset(place.split()[0] for place in places)
    unmistakable = frozenset(name for name in given - words if len(name) > 3)
    return Names(given, family, words, places, beginnings, unmistakable)


def _collected(topic: str, beginnings: tuple[str, ...]) -> frozenset[str]:
    """Single words of three letters or more from all countries, whatever the lists are called."""
    package = import_module(f"faker.providers.{topic}")
    found: set[str] = set()
    for module in pkgutil.iter_modules(package.__path__):
        provider = import_module(f"faker.providers.{topic}.{module.name}").Provider
        for attribute in dir(provider):
            if attribute.startswith(beginnings):
                found.update(_words(getattr(provider, attribute)))
    return frozenset(each.casefold() for each in found if len(each) > 2 and each.isalpha())


def _listed(topic: str, locales: Iterable[str], attributes: Iterable[str]) -> frozenset[str]:
    found: set[str] = set()
    for locale in locales:
        provider = import_module(f"faker.providers.{topic}.{locale}").Provider
        for attribute in attributes:
            found.update(_words(getattr(provider, attribute, ())))
    return frozenset(each.casefold() for each in found)


def _words(value: Any) -> Iterable[str]:
    """The lists are tuples, or dictionaries that say how frequent each name is; methods have similar names."""
    return [each for each in value if isinstance(each, str)] if isinstance(value, tuple | list | set | dict) else ()
