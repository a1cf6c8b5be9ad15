"""One record told from top to bottom, for the page that shows it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.utils.translation import gettext_lazy as _

from gateway.audit.chain import fields_of
from gateway.audit.compare import Comparison, compare
from gateway.audit.ledger import Fault, Ledger
from gateway.audit.texts import text_of, who
from gateway.audit.verify import Failure, end_fault
from gateway.models import AuditContent, AuditRecord
from gateway.types import JSON

WIDTH = 600  # of the waterfall, in its own units


@dataclass(frozen=True)
class Bar:
    """A span of the call: `x` and `width` in units of `WIDTH`, `milliseconds` long."""

    label: Any
    x: int
    width: int
    milliseconds: float


@dataclass(frozen=True)
class Seal:
    """Whether this record is as it was written, its place in the chain, and the chain's end.
    `fault` is (code, detail) or None; `linked` is None for the first record."""

    fault: Fault | None
    previous: AuditRecord | None
    linked: bool | None
    end: Failure | None


@dataclass(frozen=True)
class Story:
    """`text` says what became of the text, as in `texts.text_of`. A replay has a `comparison`."""

    record: AuditRecord
    who: str
    text: str
    content: JSON
    sources: list[JSON]
    verdict: str
    bars: list[Bar]
    seal: Seal
    comparison: Comparison | None


def tell(record: AuditRecord) -> Story:
    """All that the page shows. Runs in a scope that sees the record's tenant."""
    ledger = Ledger(record.tenant_id)
    text, content = text_of(record, ledger)
    sources = [{**source, "href": _safe(source.get("url", ""))} for source in content.get("sources", record.sources)]
    detail = json.dumps(content.get("verdict", {}).get("detail", {}), indent=2, ensure_ascii=False)
    bars = waterfall(record.timings)
    return Story(record, who(record), text, content, sources, detail, bars, _seal(record, ledger), compare(record))


def waterfall(timings: dict[str, float]) -> list[Bar]:
    """The spans of a call one below the other, to scale; a span that was not reached is left out."""
    queue, first = timings.get("queue_ms", 0.0), timings.get("first_token_ms")
    total = timings.get("total_ms", first or queue)
    checked = timings.get("checked_ms", 0.0)
    begun = total if first is None else first
    spans = [
        (_("budget and queue"), 0.0, queue),
        (_("until the first word"), queue, begun),
        (_("writing"), begun, total),
        (_("checking the answer"), total, total + checked),
    ]
    scale = WIDTH / max(total + checked, 0.001)
    return [
        Bar(label, round(start * scale), max(2, round((end - start) * scale)), round(end - start, 1))
        for label, start, end in spans
        if end > start
    ]


def _seal(record: AuditRecord, ledger: Ledger) -> Seal:
    stored: AuditContent | None = getattr(record, "content", None)
    fault = ledger.fault(fields_of(record), record.mac, bytes(stored.body) if stored else None)
    chain = AuditRecord.objects.filter(tenant_id=record.tenant_id)
    previous: AuditRecord | None = chain.filter(sequence=record.sequence - 1).first()
    linked = None if record.sequence == 1 else previous is not None and previous.mac == record.previous_mac
    return Seal(fault, previous, linked, end_fault(record.tenant_id))


def _safe(url: str) -> str:
    """The address if a link may lead there: our own pages, http and https; otherwise empty."""
    parts = urlsplit(url)
    ours = not parts.scheme and not parts.netloc and url.startswith("/") and "\\" not in url
    return url if ours or parts.scheme in {"http", "https"} else ""
