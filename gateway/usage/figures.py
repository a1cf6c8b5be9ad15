"""The figures of a period, in three statements over the audit records of the tenants in the current scope.

Row-level security holds below them; the tenants stand in the condition too, because the indexes begin with
them. Each statement reads its rows once, so a hundred thousand take a third of a second without a table of
sums (`tests/gateway/test_usage.py`). Does not catch: what providers billed for calls whose process died.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection

MOST_ROWS = 20  # of features, models and errors, the dearest or most frequent first

SPENT = """
SELECT GROUPING(day, tenant_id, purpose, model), day, tenant_id, purpose, task, model,
    count(*), sum(cost), sum(input_tokens), sum(output_tokens), count(*) FILTER (WHERE error_code <> '')
FROM (
    SELECT (at AT TIME ZONE 'UTC')::date AS day, tenant_id, purpose, task, model, cost, input_tokens, output_tokens,
        error_code
    FROM gateway_auditrecord
    WHERE tenant_id = ANY (%s) AND at >= %s AND at < %s AND kind IN ('completion', 'embedding')
) AS call
GROUP BY GROUPING SETS ((), (day), (tenant_id), (purpose, task), (model))
"""
ALL, BY_DAY, BY_TENANT, BY_FEATURE, BY_MODEL = 0b1111, 0b0111, 0b1011, 0b1101, 0b1110
TOOK = """
SELECT task, model, count(*),
    percentile_cont(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY total),
    percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY first)
FROM (
    SELECT task, model, (timings->>'total_ms')::float8 AS total, (timings->>'first_token_ms')::float8 AS first
    FROM gateway_auditrecord
    WHERE tenant_id = ANY (%s) AND at >= %s AND at < %s AND kind IN ('completion', 'embedding') AND error_code = ''
) AS call
WHERE total IS NOT NULL
GROUP BY task, model ORDER BY count(*) DESC LIMIT %s
"""
FAILED = """
SELECT error_code, count(*), max(at)
FROM gateway_auditrecord
WHERE tenant_id = ANY (%s) AND at >= %s AND at < %s AND kind IN ('completion', 'embedding') AND error_code <> ''
GROUP BY error_code ORDER BY count(*) DESC, error_code LIMIT %s
"""


@dataclass(frozen=True)
class Period:
    """Whole days, UTC; `until` is the day after the last."""

    since: date
    until: date

    @classmethod
    def last(cls, days: int, today: date) -> Period:
        return cls(today - timedelta(days=days - 1), today + timedelta(days=1))

    @property
    def days(self) -> list[date]:
        return [self.since + timedelta(days=number) for number in range((self.until - self.since).days)]

    @property
    def bounds(self) -> tuple[datetime, datetime]:
        first, last = (datetime(each.year, each.month, each.day, tzinfo=UTC) for each in (self.since, self.until))
        return first, last


@dataclass(frozen=True)
class Spent:
    """`name` is the tenant's id, the model, the purpose or the day; `task` belongs to a purpose."""

    name: int | str | date
    calls: int = 0
    cost: Decimal = Decimal(0)
    input_tokens: int = 0
    output_tokens: int = 0
    failed: int = 0
    task: str = ""


@dataclass(frozen=True)
class Took:
    """Milliseconds of calls that went well. Without a first token, as embeddings are, `first` is empty."""

    task: str
    model: str
    calls: int
    whole: Sequence[float]  # half of them, 95 and 99 of a hundred took at most so long
    first: Sequence[float]  # half of them, and 95 of a hundred


@dataclass(frozen=True)
class Failed:
    code: str
    calls: int
    last: datetime


@dataclass(frozen=True)
class Figures:
    whole: Spent = Spent("")
    days: list[Spent] = field(default_factory=list)
    tenants: list[Spent] = field(default_factory=list)
    features: list[Spent] = field(default_factory=list)
    models: list[Spent] = field(default_factory=list)
    took: list[Took] = field(default_factory=list)
    failed: list[Failed] = field(default_factory=list)


def figures(tenants: Sequence[int], period: Period) -> Figures:
    """Runs in a scope that sees the tenants."""
    within: list[Any] = [list(tenants), *period.bounds]
    with connection.cursor() as cursor:
        cursor.execute(SPENT, within)
        rows: dict[int, list[Spent]] = {each: [] for each in (ALL, BY_DAY, BY_TENANT, BY_FEATURE, BY_MODEL)}
        for kind, day, tenant, purpose, task, model, *numbers in cursor.fetchall():
            name = {ALL: "", BY_DAY: day, BY_TENANT: tenant, BY_FEATURE: purpose, BY_MODEL: model}[kind]
            calls, cost, read, wrote, failed = (number or 0 for number in numbers)  # sums of nothing are NULL
            rows[kind].append(Spent(name, calls, Decimal(cost), read, wrote, failed, task or ""))
        cursor.execute(TOOK, [*within, MOST_ROWS])
        took = [
            Took(task, model, calls, whole, [each for each in first if each is not None])
            for task, model, calls, whole, first in cursor.fetchall()
        ]
        cursor.execute(FAILED, [*within, MOST_ROWS])
        errors = [Failed(*row) for row in cursor.fetchall()]
    by_day = {row.name: row for row in rows[BY_DAY]}
    return Figures(
        whole=rows[ALL][0],
        days=[by_day.get(day, Spent(day)) for day in period.days],
        tenants=_dearest(rows[BY_TENANT]),
        features=_dearest(rows[BY_FEATURE]),
        models=_dearest(rows[BY_MODEL]),
        took=took,
        failed=errors,
    )


def _dearest(rows: list[Spent]) -> list[Spent]:
    return sorted(rows, key=lambda row: (-row.cost, -row.calls))[:MOST_ROWS]
