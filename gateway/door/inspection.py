"""What a tenant's policy keeps a program from sending: secrets, and code of named repositories."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gateway.door.grants import Grant
from gateway.door.refusals import Refused
from gateway.door.repositories import blocked
from gateway.door.secrets import secrets_in
from gateway.types import JSON

MOST_NAMED = 5  # places in one refusal
PICTURE = "data:image/"


def inspect(body: JSON, grant: Grant, declared: tuple[str, ...]) -> None:
    """Raises `Refused`, which names kinds and places and repeats nothing that was found."""
    if grant.secrets:
        found = []
        for each in secrets_in(texts(body), grant.secrets):
            found.append(f"{each.kind.value} in {each.place}")
            if len(found) == MOST_NAMED:
                break
        if found:
            place = found[0].partition(" in ")[2].partition(",")[0]
            raise Refused(
                403, "secret_blocked", f"The policy lets no secrets through: {'; '.join(found)}.", param=place
            )
    place_of = blocked(declared, texts(body), grant.repositories)
    if place_of is not None:
        raise Refused(403, "repository_blocked", f"The policy lets no code of this repository through: {place_of}.")


def texts(value: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """Every text of the body but pictures, with its place, as in `messages[0].content`. Names of
    members are texts too."""
    if isinstance(value, str):
        if not value.startswith(PICTURE):
            yield place, value
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from texts(each, f"{place}[{number}]")
    elif isinstance(value, dict):
        for name, each in value.items():
            if name == "data" and "media_type" in value:
                continue  # a picture
            here = f"{place}.{name}" if place else name
            yield place or "a name", name
            yield from texts(each, here)
