"""How well a detector finds what people marked: precision, recall and F1, by two rules.

`exact`: the same kind, the same first and last character. `overlap`: the same kind, and at least one
character in common; a found span counts once for precision, a marked one once for recall. `leaked`
is the share of marked characters that no span of any kind covers: what would have been sent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from gateway.redaction.detector import Detector
from gateway.redaction.spans import Kind, Span

# What data sets call our kinds; case, spaces, hyphens and underscores aside.
NAMED = {
    Kind.NAME: "name person per personname fullname firstname lastname givenname surname",
    Kind.ADDRESS: "address streetaddress street postaladdress zipcode zip postcode buildingnum",
    Kind.PLACE: "place location loc gpe city country state",
    Kind.PHONE: "phone phonenumber telephone telephonenum mobile",
    Kind.EMAIL: "email emailaddress mail",
    Kind.CARD: "card creditcard creditcardnumber cardnumber",
    Kind.IBAN: "iban ibancode",
    Kind.ID: "id ssn usssn nationalid idnum idcard uspassport passport passportnum usdriverlicense driverlicensenum "
    "driverlicense uknhs taxnum taxid socialnum itin usitin esnif itfiscalcode plpesel ukni inaadhaar",
    Kind.IP: "ip ipaddress ipv4 ipv6",
    Kind.MAC: "mac macaddress",
    Kind.SECRET: "secret password pass token apikey key credentials",
    Kind.BIRTH: "birth dob dateofbirth birthdate birthday",
}
KINDS = {label: kind for kind, labels in NAMED.items() for label in labels.split()}


@dataclass
class Score:
    marked: int = 0
    found: int = 0
    marked_hit: Counter[str] = field(default_factory=Counter)  # by rule
    found_hit: Counter[str] = field(default_factory=Counter)

    def add(self, other: Score) -> None:
        self.marked += other.marked
        self.found += other.found
        self.marked_hit += other.marked_hit
        self.found_hit += other.found_hit

    def as_json(self) -> dict[str, Any]:
        rules = {rule: self._rule(rule) for rule in ("exact", "overlap")}
        return {"marked": self.marked, "found": self.found, **rules}

    def _rule(self, rule: str) -> dict[str, float]:
        precision = self.found_hit[rule] / self.found if self.found else 0.0
        recall = self.marked_hit[rule] / self.marked if self.marked else 0.0
        both = precision + recall
        f1 = 2 * precision * recall / both if both else 0.0
        return {"precision": round(precision, 4), "recall": round(recall, 4), "f1": round(f1, 4)}


def kind_of(label: str) -> Kind | None:
    """None for a kind that we do not look for, such as an organisation or a year."""
    return KINDS.get("".join(each for each in label.casefold() if each.isalnum()))


def measure(detector: Detector, rows: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """`rows` are {`text`, `spans`: [{`start`, `end`, `type`}]}. `overall` counts the kinds that we look
    for and that the data marks; `all_marked` counts every marked span and every found one."""
    scores: dict[Kind, Score] = {}
    unknown: Counter[str] = Counter()
    texts = characters = leaked = 0
    for row in rows:
        texts += 1
        found, marked = detector.find(row["text"]), []
        for each in row["spans"]:
            kind = kind_of(each["type"])
            if kind is None:
                unknown[each["type"]] += 1
            else:
                marked.append(Span(each["start"], each["end"], kind))
        for kind in {span.kind for span in (*found, *marked)}:
            ours = [span for span in found if span.kind == kind]
            theirs = [span for span in marked if span.kind == kind]
            scores.setdefault(kind, Score()).add(_compared(ours, theirs))
        characters += sum(span.end - span.start for span in marked)
        leaked += sum(_uncovered(span, found) for span in marked)
    known = [kind for kind, score in scores.items() if score.marked]
    return {
        "texts": texts,
        "rules": {"exact": "same kind and offsets", "overlap": "same kind, a character in common"},
        "types": {kind.value: scores[kind].as_json() for kind in sorted(scores)},
        "overall": _total(scores[kind] for kind in known).as_json(),
        "all_marked": _total([*scores.values(), Score(marked=sum(unknown.values()))]).as_json(),
        "not_looked_for": dict(unknown.most_common()),
        "leaked": round(leaked / characters, 4) if characters else 0.0,
    }


def _total(scores: Iterable[Score]) -> Score:
    total = Score()
    for each in scores:
        total.add(each)
    return total


def _compared(ours: list[Span], theirs: list[Span]) -> Score:
    score = Score(marked=len(theirs), found=len(ours))
    same = set(ours) & set(theirs)
    score.marked_hit["exact"] = score.found_hit["exact"] = len(same)
    score.marked_hit["overlap"] = sum(any(_touch(span, each) for each in ours) for span in theirs)
    score.found_hit["overlap"] = sum(any(_touch(span, each) for each in theirs) for span in ours)
    return score


def _touch(one: Span, other: Span) -> bool:
    return one.start < other.end and other.start < one.end


def _uncovered(span: Span, found: list[Span]) -> int:
    return span.end - span.start - sum(max(0, min(span.end, f.end) - max(span.start, f.start)) for f in found)
