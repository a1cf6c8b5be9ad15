"""Budgets by reservation: the most that a call can cost is held before it starts, and what it
did cost is booked when it ends.

All that decides stands in two functions of the database, `gateway_hold` and `gateway_settle` (see
the migration): each is one round trip and one transaction, locks the lines of all budgets in the
order of their ids, and raises all of them or none (B1). A reservation whose process died is given
back by `sweep` once its lease is over, with an audit record of its own (B4).

Holding the most keeps money from others who could have had it (B6). So a call takes less, down to
half the output that it asked for, at once: answers seldom come near their limit. Below that it
waits for calls that run to give back what they did not need, `budget_wait` seconds at most, because
an answer a moment later is better than one cut short. Only then it takes whatever its prompt and a
few sentences cost, and is refused where not even that is left.

Does not catch: a provider that bills more than a token for each byte of the prompt, or more output
than it was allowed. That is booked in full, so a budget can end above its limit by the difference.
"""

from __future__ import annotations

import functools
import json
import operator
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_UP, Decimal
from uuid import UUID

from django.db import connection
from django.db.models import F, Q
from django.utils import timezone

from accounts.models import Tenant
from accounts.tenancy import tenant_scope
from gateway.audit import writer
from gateway.conf import configured
from gateway.errors import BudgetExceeded
from gateway.models import AuditRecord, Budget, BudgetUse, Period, Reservation
from gateway.types import JSON, Caller, FinishReason, Trace

PLACES = Decimal("0.0000000001")
BEGINNING = date(2000, 1, 1)
SWEPT_AT_ONCE = 100
NEARLY = Decimal("0.8")  # of a limit: from here on the admin shows a banner
FIRST_LOOK, LONGEST_LOOK = 0.02, 0.4  # seconds between two looks whether money came back

HOLD = "SELECT * FROM gateway_hold(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
SETTLE = "SELECT gateway_settle(%s, %s, %s)"


@dataclass(frozen=True)
class Wish:
    """What a call would have: `wanted` at best, `enough` to go on at once, `least` to go on at all.
    On top of what it holds already, if it does. Held for `seconds` from now."""

    caller: Caller
    call_id: UUID
    request: JSON
    wanted: Decimal
    enough: Decimal
    least: Decimal
    seconds: float


@dataclass(frozen=True)
class Held:
    """`amount` is None when nothing was held; then `refused_by` is the budget that is tightest, and
    `may_come` says that calls which run hold what is missing."""

    amount: Decimal | None
    refused_by: int | None
    may_come: bool


def reserve(wish: Wish) -> Decimal:
    """Holds money in every budget that applies, and says how much. Waits in the calling thread.
    Raises `BudgetExceeded`, which says whose budget, and then has held nothing."""
    for pause in pauses(configured().budget_wait):
        held = hold(wish, wish.enough)
        if held.amount is not None:
            return held.amount
        if not held.may_come:
            break
        time.sleep(pause)
    return hold_or_refuse(wish)


def hold(wish: Wish, least: Decimal, *, final: bool = False) -> Held:
    """One attempt, in one round trip. Reservations that ran out are swept before a call is kept
    out on their account. `final` says that a refusal is one, of which the admins are told."""
    held = _hold(wish, least, final=final)
    if held.amount is None and sweep_tenant(wish.caller.tenant_id, timezone.now()):
        return _hold(wish, least, final=final)
    return held


def hold_or_refuse(wish: Wish) -> Decimal:
    """The last attempt, for the least. Raises `BudgetExceeded`."""
    held = hold(wish, wish.least, final=True)
    if held.amount is not None:
        return held.amount
    with tenant_scope(wish.caller.tenant_id):
        budget = Budget.objects.get(pk=held.refused_by)
    raise BudgetExceeded(f"{level_of(budget)} of ${budget.limit:.2f} does not hold this call")


def pauses(seconds: float) -> Iterator[float]:
    """How long to wait before each further look, until `seconds` are over; with jitter, so that
    those who wait do not look all at once."""
    end, pause = time.monotonic() + seconds, FIRST_LOOK
    while time.monotonic() < end:
        yield min(pause * random.uniform(0.5, 1.0), max(0.0, end - time.monotonic()))  # noqa: S311
        pause = min(pause * 1.5, LONGEST_LOOK)


def settle(call_id: UUID, cost: Decimal) -> bool:
    """Books what the call cost and gives the rest back. Runs in the tenant's scope. True the
    first time; a second time, or without a reservation, nothing happens."""
    with connection.cursor() as cursor:
        cursor.execute(SETTLE, [call_id, cost.quantize(PLACES, ROUND_UP), timezone.now()])
        return bool(cursor.fetchone()[0])


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
    return f"the {budget.level}'s {budget.period} budget"


def period_start(period: str, today: date) -> date:
    """The first day of the period that `today` lies in; `gateway_hold` counts by the same."""
    if period == Period.TOTAL:
        return BEGINNING
    return today if period == Period.DAILY else today.replace(day=1)


def nearly_used(today: date) -> list[BudgetUse]:
    """What is used of the budgets in the current scope that are at 80 per cent or more today."""
    starts = [Q(budget__period=period, period_start=period_start(period, today)) for period in Period.values]
    current = BudgetUse.objects.filter(functools.reduce(operator.or_, starts), settled__gt=0)
    found = current.filter(settled__gte=F("budget__limit") * NEARLY)
    return list(found.select_related("budget__tenant", "budget__user", "budget__api_key").order_by("budget_id"))


def _hold(wish: Wish, least: Decimal, *, final: bool) -> Held:
    caller = wish.caller
    values = [
        *(caller.tenant_id, caller.user_id, caller.api_key_id or None, caller.purpose, wish.call_id),
        *(wish.wanted, least, configured().monthly_budget, json.dumps(wish.request)),
        *(timezone.now(), wish.seconds, final),
    ]
    with connection.cursor() as cursor:
        cursor.execute(HOLD, values)
        return Held(*cursor.fetchone())


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
