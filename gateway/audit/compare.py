"""A replay beside the call that it repeats."""

from __future__ import annotations

import difflib
import re
from dataclasses import asdict, dataclass

from gateway.audit.ledger import Ledger
from gateway.audit.texts import text_of
from gateway.models import AuditRecord
from gateway.types import JSON

TOKEN = re.compile(r"\s+|\w+|[^\w\s]")
COMPARED = 20_000  # characters of each answer; a diff is quadratic at worst


@dataclass(frozen=True)
class Piece:
    """Of both answers, word by word: `same`, `removed` from the original or `added` by the replay."""

    kind: str
    text: str


@dataclass(frozen=True)
class Side:
    """What one of the two calls came to. `text` as in `texts.text_of`."""

    audit_id: str
    number: int
    text: str
    answer: str
    provider: str
    model: str
    model_version: str
    input_tokens: int
    output_tokens: int
    cost: str
    milliseconds: float
    finish_reason: str
    error_code: str


@dataclass(frozen=True)
class Comparison:
    original: Side
    replay: Side
    pieces: list[Piece]

    @property
    def identical(self) -> bool:
        return self.original.answer == self.replay.answer

    def as_json(self) -> JSON:
        return {**asdict(self), "identical": self.identical}


def compare(replay: AuditRecord) -> Comparison | None:
    """None for a record that repeats none, or whose original is not there. Runs in the tenant's scope."""
    records = AuditRecord.objects.select_related("content", "subject")
    original: AuditRecord | None = records.filter(pk=replay.replay_of, tenant_id=replay.tenant_id).first()
    if replay.replay_of is None or original is None:
        return None
    ledger = Ledger(replay.tenant_id)
    before, after = _side(original, ledger), _side(replay, ledger)
    readable = before.text == after.text == "kept"
    return Comparison(before, after, words(before.answer, after.answer) if readable else [])


def words(before: str, after: str) -> list[Piece]:
    """The word difference of the beginnings of two texts."""
    old, new = TOKEN.findall(before[:COMPARED]), TOKEN.findall(after[:COMPARED])
    pieces: list[Piece] = []
    for _tag, i, j, k, m in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if old[i:j] == new[k:m]:
            pieces.append(Piece("same", "".join(old[i:j])))
            continue
        pieces += [Piece(kind, "".join(part)) for kind, part in (("removed", old[i:j]), ("added", new[k:m])) if part]
    return pieces


def _side(record: AuditRecord, ledger: Ledger) -> Side:
    text, content = text_of(record, ledger)
    return Side(
        audit_id=str(record.pk),
        number=record.sequence,
        text=text,
        answer=content.get("answer", ""),
        provider=record.provider,
        model=record.model,
        model_version=record.model_version,
        input_tokens=record.input_tokens,
        output_tokens=record.output_tokens,
        cost=f"{record.cost:f}",
        milliseconds=record.timings.get("total_ms", 0.0),
        finish_reason=record.finish_reason,
        error_code=record.error_code,
    )
