"""robots.txt by RFC 9309: the longest rule that matches decides, and allows where two are as long.

Our own, because the parsers at hand turn a site's wildcards into regular expressions, whose time a
hostile file chooses (O8); here a rule is matched in one walk along the path.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

NAME = "citedesk"
MAX_TEXT, MAX_RULES = 500_000, 5000


@dataclass(frozen=True)
class Rule:
    pattern: str
    allows: bool


@dataclass(frozen=True)
class Robots:
    """The rules that hold for us. `delay` are seconds between two requests."""

    rules: tuple[Rule, ...] = ()
    delay: float = 0.0

    def allow(self, request_target: str) -> bool:
        matching = [rule for rule in self.rules if _matches(rule.pattern, request_target)]
        return max(((len(rule.pattern), rule.allows) for rule in matching), default=(0, True))[1]


def read_robots(text: str, name: str = NAME) -> Robots:
    """Never fails: a line that is not understood is passed over."""
    groups: list[tuple[set[str], list[Rule], list[float]]] = []
    naming = False
    for line in text[:MAX_TEXT].lstrip("\ufeff").splitlines():
        field, colon, value = line.partition("#")[0].partition(":")
        field, value = field.strip().lower(), value.strip()
        if not colon:
            continue
        if field == "user-agent":
            if not naming:
                groups.append((set(), [], []))
            groups[-1][0].add(value.lower())
            naming = True
            continue
        if field not in ("allow", "disallow", "crawl-delay"):
            continue  # a Sitemap line stands in no group and ends none
        naming = False
        if groups and field == "crawl-delay":
            groups[-1][2].extend(_seconds(value))
        elif groups and value:
            groups[-1][1].append(Rule(quote(value, safe="/%*$:@!&'()+,;=~-._?[]"), field == "allow"))
    ours = [group for group in groups if name in group[0]] or [group for group in groups if "*" in group[0]]
    rules = tuple(rule for _names, rules, _delays in ours for rule in rules)
    delays = [delay for _names, _rules, delays in ours for delay in delays]
    return Robots(rules[:MAX_RULES], max(delays, default=0.0))


def _seconds(text: str) -> list[float]:
    whole = text.replace(".", "", 1)
    return [min(float(text), 30.0)] if whole.isascii() and whole.isdigit() and len(text) < 8 else []


def _matches(pattern: str, path: str) -> bool:
    anchored = pattern.endswith("$")
    first, *pieces = pattern.removesuffix("$").split("*")
    if not path.startswith(first):
        return False
    at = len(first)
    if anchored and not pieces:
        return at == len(path)
    last = pieces.pop() if anchored and pieces else ""
    for piece in pieces:
        found = path.find(piece, at)
        if found < 0:
            return False
        at = found + len(piece)
    return not anchored or (path.endswith(last) and len(path) - len(last) >= at)
