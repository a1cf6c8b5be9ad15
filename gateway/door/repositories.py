"""Recognises repositories: as a program names them, by the addresses of their remotes, and by paths.

A rule is `host/owner/name`, `owner/name` or `name`; `*` stands for any one part. A rule of two or more
parts is also found in paths (`~/src/acme/payments/app.py`); a single name only in a header, in metadata
and as the last part of a remote, because folders of that name are everywhere.

Does not catch: code that comes without a name, a remote or a path.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

REMOTE = re.compile(
    r"(?:(?:https?|ssh|git)://(?:[^\s/@]{1,100}@)?|\bgit@)([A-Za-z0-9.\-]{1,200})(?::\d{1,5})?[:/]"
    r"([A-Za-z0-9_.\-~]{1,100}(?:/[A-Za-z0-9_.\-~]{1,100}){1,8})"
)
PATH = re.compile(
    r"(?:[A-Za-z]:[\\/]|~?[\\/]|(?<![A-Za-z0-9_.\-]))[A-Za-z0-9_.\-]{1,100}(?:[\\/][A-Za-z0-9_.\-]{1,100}){2,30}"
)
Rule = tuple[str, ...]


def rules(lines: str) -> list[Rule]:
    """One rule from each line that is not empty."""
    return [parts for line in lines.splitlines() if (parts := _parts(line))]


def named(name: str) -> Rule:
    """The parts of a repository's name or address, as a header gives it."""
    match = REMOTE.search(name)
    return _parts(f"{match[1]}/{match[2]}" if match else name)


def blocked(declared: Iterable[str], texts: Iterable[tuple[str, str]], given: Iterable[Rule]) -> str | None:
    """Where a repository is spoken of that a rule names, or None."""
    wanted = list(given)
    if not wanted:
        return None
    for name in declared:
        if any(_ends(named(name), rule) for rule in wanted):
            return "the name of the repository"
    return next((place for place, text in texts if _spoken_of(text, wanted)), None)


def _spoken_of(text: str, wanted: list[Rule]) -> bool:
    if any(_ends(parts, rule) for parts in _remotes(text) for rule in wanted):
        return True
    long = [rule for rule in wanted if len(rule) > 1]
    return bool(long) and any(_holds(_parts(match[0]), rule) for match in PATH.finditer(text) for rule in long)


def _remotes(text: str) -> Iterator[Rule]:
    """Each remote, and each shorter address that it begins with: a page within a repository is of it."""
    for match in REMOTE.finditer(text):
        parts = _parts(f"{match[1]}/{match[2]}")
        yield from (parts[:length] for length in range(3, min(len(parts), 4) + 1))


def _parts(name: str) -> Rule:
    cleaned = name.strip().lower().replace("\\", "/").removesuffix("/").removesuffix(".git")
    return tuple(part for part in cleaned.split("/") if part not in {"", "~", "."})


def _ends(parts: Iterable[str], rule: Rule) -> bool:
    last = tuple(parts)[-len(rule) :]
    return len(last) == len(rule) and _alike(last, rule)


def _holds(parts: Rule, rule: Rule) -> bool:
    return any(_alike(parts[at : at + len(rule)], rule) for at in range(len(parts) - len(rule) + 1))


def _alike(parts: Rule, rule: Rule) -> bool:
    return all(want in ("*", part) for part, want in zip(parts, rule, strict=True))
