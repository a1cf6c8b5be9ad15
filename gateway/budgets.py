"""Budgets by reservation: the most that a call can cost is held before it starts, and what it
did cost is booked when it ends.

All levels are raised by one statement, which locks their rows in the order of their ids until the
commit; a level that would go over its limit undoes all (B1). A reservation whose process died is
given back by `sweep` once its lease is over, with an audit record of its own (B4).

Does not catch: a provider that bills more input than `metering.tokens` estimates, or a call that
broke midway at one provider and was finished by the next. Such a call is booked in full, so a
budget can end above its limit by that difference, once per call that runs.
"""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from decimal import ROUND_UP, Decimal
from uuid import UUID

from django.db import connection
from django.db.models import Q
from django.utils import timezone

from accounts.models import Tenant
from accounts.tenancy import tenant_scope
from gateway.audit import writer
from gateway.conf import configured
from gateway.errors import BudgetExceeded
from gateway.models import AuditRecord, Budget, Period, Reservation
from gateway.types import JSON, Caller, FinishReason, Trace

PLACES = Decimal("0.0000000001")
BEGINNING = date(2000, 1, 1)
SWEPT_AT_ONCE = 100

RAISE = """
INSERT INTO gateway_budgetuse AS used (tenant_id, budget_id, period_start, reserved, settled)
SELECT %s, line.budget, line.since, %s, 0
FROM unnest(%s::bigint[], %s::date[]) WITH ORDINALITY AS line (budget, since, place) ORDER BY line.place
ON CONFLICT (budget_id, period_start) DO UPDATE SET reserved = used.reserved + EXCLUDED.reserved
RETURNING id, budget_id, reserved + settled
"""
END = "DELETE FROM gateway_reservation WHERE id = %s RETURNING amount, lines"
LOWER = """
UPDATE gateway_budgetuse AS used SET reserved = used.reserved - %s, settled = used.settled + %s
FROM (SELECT id FROM gateway_budgetuse WHERE id = ANY(%s) ORDER BY budget_id FOR UPDATE) AS held
WHERE used.id = held.id
"""


def reserve(caller: Caller, call_id: UUID, amount: Decimal, request: JSON, *, seconds: float) -> None:
    """Holds `amount` in every budget that applies, for `seconds`. Raises `BudgetExceeded`, which
    says whose budget, and then has held nothing. Opens its own tenant scope.

    Reservations that ran out are swept before a call is refused on their account.
    """
    try:
        _reserve(caller, call_id, amount, request, seconds)
    except BudgetExceeded:
        if not sweep_tenant(caller.tenant_id, timezone.now()):
            raise
        _reserve(caller, call_id, amount, request, seconds)


def settle(call_id: UUID, cost: Decimal) -> bool:
    """Books what the call cost and gives the rest back. Runs in the tenant's scope. True the
    first time; a second time, or without a reservation, nothing happens."""
    with connection.cursor() as cursor:
        cursor.execute(END, [call_id])
        row = cursor.fetchone()
        if row is None:
            return False
        lines = json.loads(row[1])
        if lines:
            cursor.execute(LOWER, [row[0], cost.quantize(PLACES, ROUND_UP), lines])
        return True


def release(call_id: UUID) -> bool:
    """Gives the whole reservation back. Runs in the tenant's scope."""
    return settle(call_id, Decimal(0))


def sweep(now: datetime) -> int:
    """Ends every reservation that ran out before `now`, in all tenants; says how many."""
    return sum(sweep_tenant(tenant_id, now) for tenant_id in Tenant.objects.values_list("pk", flat=True))


def sweep_tenant(tenant_id: int, now: datetime) -> int:
    """The same for one tenant. One transaction per call, so that locks are taken in one order."""
    with tenant_scope(tenant_id):
        expired = Reservation.objects.filter(expires_at__lt=now).order_by("id").values_list("id", flat=True)
        ids = list(expired[:SWEPT_AT_ONCE])
    return sum(_abandon(tenant_id, call_id) for call_id in ids)


def level_of(budget: Budget) -> str:
    """Whose budget it is, as a refusal says it."""
    return f"the {budget.level}'s {budget.get_period_display()} budget"


def period_start(period: str, today: date) -> date:
    """The first day of the period that `today` lies in."""
    if period == Period.TOTAL:
        return BEGINNING
    return today if period == Period.DAILY else today.replace(day=1)


def budgets_for(caller: Caller) -> list[Budget]:
    """All budgets that the caller's calls must fit into, by id; makes the tenant's own the first
    time. Runs in the tenant's scope."""
    applies = (Q(user=None) | Q(user_id=caller.user_id)) & Q(purpose__in=["", caller.purpose])
    found = list(Budget.objects.filter(applies).order_by("id"))
    if any(budget.user_id is None and not budget.purpose for budget in found):
        return found
    Budget.objects.bulk_create(
        [Budget(tenant_id=caller.tenant_id, limit=configured().monthly_budget)], ignore_conflicts=True
    )
    return list(Budget.objects.filter(applies).order_by("id"))


def _reserve(caller: Caller, call_id: UUID, amount: Decimal, request: JSON, seconds: float) -> None:
    now = timezone.now()
    with tenant_scope(caller.tenant_id):
        budgets = budgets_for(caller)
        lines = _raise(caller, budgets, amount, now.date()) if amount else []
        Reservation(
            id=call_id,
            tenant_id=caller.tenant_id,
            amount=amount,
            lines=lines,
            request=json.dumps(request),
            created_at=now,
            expires_at=now + timedelta(seconds=seconds),
        ).save(force_insert=True)


def _raise(caller: Caller, budgets: list[Budget], amount: Decimal, today: date) -> list[int]:
    starts = [period_start(budget.period, today) for budget in budgets]
    with connection.cursor() as cursor:
        cursor.execute(RAISE, [caller.tenant_id, amount, [budget.pk for budget in budgets], starts])
        rows = cursor.fetchall()
    by_id = {budget.pk: budget for budget in budgets}
    for _line, budget_id, used in rows:
        budget = by_id[budget_id]
        if used > budget.limit:
            raise BudgetExceeded(f"{level_of(budget)} of ${budget.limit:.2f} does not hold this call")
    return [line for line, _budget, _used in rows]


def _abandon(tenant_id: int, call_id: UUID) -> bool:
    """Ends one reservation whose process died: money back, and a record that says so."""
    with tenant_scope(tenant_id):
        row = Reservation.objects.select_for_update(skip_locked=True).filter(pk=call_id).first()
        if row is None or not release(call_id):
            return False
        if not AuditRecord.objects.filter(pk=call_id).exists():
            trace = Trace(reason=FinishReason.ERROR, error_code="abandoned")
            writer.append(tenant_id, json.loads(row.request), trace)
        return True
