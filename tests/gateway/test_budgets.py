"""Money is held before it is spent, and nothing is spent twice or lost."""

from __future__ import annotations

import dataclasses
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.conf import settings
from django.db import connections
from django.utils import timezone

from accounts.models import ApiKey
from accounts.tenancy import tenant_scope
from gateway import budgets
from gateway.audit import writer
from gateway.audit.verify import verify
from gateway.budgets import Wish, period_start, reserve, settle, sweep
from gateway.errors import BudgetExceeded, UnpricedModel
from gateway.metering import most, tokens
from gateway.models import AuditRecord, Budget, BudgetAlert, BudgetUse, Period, Reservation
from gateway.profiles import ModelProfile, Price
from gateway.types import Call, Caller, Message, Options
from tests.conftest import Cast

ONE = Decimal("1")
PRICED = ModelProfile(
    "priced", "test", "priced", context=10_000, max_output=1_000, price=Price(Decimal(3), Decimal(9), Decimal(1))
)


def _wish(caller: Caller, amount: Decimal = ONE, seconds: float = 60, least: Decimal | None = None) -> Wish:
    call = Call(caller=caller, messages=(Message("user", "hello"),), question="hello")
    least = amount if least is None else least
    return Wish(caller, call.id, writer.frozen_completion(call), amount, least, least, seconds)


def _closing(work: Callable[..., Any], *args: Any) -> Any:
    """For a thread of a pool, which keeps no connection."""
    try:
        return work(*args)
    finally:
        connections["default"].close()


def _alerts(cast: Cast) -> list[tuple[int, bool]]:
    with tenant_scope(cast.acme.pk):
        return list(BudgetAlert.objects.order_by("id").values_list("threshold", "refused"))


def _hold(caller: Caller, amount: Decimal = ONE, seconds: float = 60) -> uuid.UUID:
    wish = _wish(caller, amount, seconds)
    reserve(wish)
    return wish.call_id


def _used(tenant_id: int) -> list[tuple[Decimal, Decimal]]:
    with tenant_scope(tenant_id):
        return list(BudgetUse.objects.order_by("budget_id").values_list("reserved", "settled"))


def _limit(cast: Cast, limit: int, **level: object) -> None:
    with tenant_scope(cast.acme.pk):
        Budget.objects.create(tenant=cast.acme, limit=limit, **level)


@pytest.fixture
def caller(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> Caller:
    monkeypatch.setattr(settings, "GATEWAY", dataclasses.replace(settings.GATEWAY, budget_wait=0.5))
    return Caller(tenant_id=cast.acme.pk, user_id=cast.alice.pk, user_label="Alice", purpose="answer")


@pytest.mark.threat("B1")
def test_fifty_parallel_calls_with_money_for_ten_admit_ten(cast: Cast, caller: Caller) -> None:
    _limit(cast, 10)

    def attempt(_number: int) -> bool:
        try:
            _hold(caller)
        except BudgetExceeded:
            return False
        return True

    with ThreadPoolExecutor(50) as pool:
        admitted = sum(pool.map(lambda number: _closing(attempt, number), range(50)))

    assert admitted == 10
    assert _used(cast.acme.pk) == [(Decimal(10), Decimal(0))]


def test_a_refusal_says_whose_budget_and_holds_nothing_anywhere(cast: Cast, caller: Caller) -> None:
    _limit(cast, 10)
    _limit(cast, 0, user=cast.alice)
    with pytest.raises(BudgetExceeded, match="the user's monthly budget"):
        _hold(caller)
    assert all(used == (0, 0) for used in _used(cast.acme.pk))
    assert _hold(Caller(tenant_id=cast.acme.pk, user_id=cast.adam.pk))


def test_a_purpose_has_a_budget_of_its_own(cast: Cast, caller: Caller) -> None:
    _limit(cast, 0, purpose="draft")
    assert _hold(caller)
    with pytest.raises(BudgetExceeded, match="the purpose's"):
        _hold(Caller(tenant_id=cast.acme.pk, purpose="draft"))


def test_the_rest_of_a_reservation_is_given_back_once(cast: Cast, caller: Caller) -> None:
    call_id = _hold(caller)
    for expected in (True, False):
        with tenant_scope(cast.acme.pk):
            assert settle(call_id, Decimal("0.25")) is expected
    assert _used(cast.acme.pk) == [(Decimal(0), Decimal("0.25"))]


def test_a_tenant_without_a_budget_gets_the_configured_one(cast: Cast, caller: Caller) -> None:
    _hold(caller)
    with tenant_scope(cast.acme.pk):
        budget = Budget.objects.get()
    assert (budget.level, budget.limit, budget.period) == ("tenant", Decimal(20), Period.MONTHLY)


def test_a_free_call_is_noted_but_needs_no_money(cast: Cast, caller: Caller) -> None:
    _limit(cast, 0)
    call_id = _hold(caller, Decimal(0))
    with tenant_scope(cast.acme.pk):
        assert Reservation.objects.filter(pk=call_id).exists()


@pytest.mark.threat("B4")
def test_a_call_whose_process_died_gives_its_money_back_and_is_audited(cast: Cast, caller: Caller) -> None:
    call_id = _hold(caller)
    assert sweep(timezone.now()) == 0, "its lease still runs"
    assert sweep(timezone.now() + timedelta(minutes=2)) == 1
    assert sweep(timezone.now() + timedelta(minutes=2)) == 0
    assert _used(cast.acme.pk) == [(Decimal(0), Decimal(0))]
    with tenant_scope(cast.acme.pk):
        record = AuditRecord.objects.get(pk=call_id)
        assert (record.finish_reason, record.error_code) == ("error", "abandoned")
        assert record.subject.user == cast.alice
        assert record.content.data["question"] == "hello"
    assert verify(cast.acme.pk).ok


@pytest.mark.threat("B4", "B6")
def test_expired_reservations_never_keep_a_user_out(cast: Cast, caller: Caller) -> None:
    _limit(cast, 1)
    _hold(caller, seconds=-1)
    assert _hold(caller)


@pytest.mark.threat("B6")
def test_no_more_is_held_than_the_answer_may_cost(caller: Caller) -> None:
    call = Call(caller=caller, messages=(Message("user", "x" * 300),), options=Options(max_tokens=100))
    assert most(call, PRICED) == (Decimal(308) * 3 + Decimal(100) * 9) / 1_000_000


@pytest.mark.threat("B6")
def test_a_call_takes_less_where_money_is_short_but_never_less_than_it_needs(cast: Cast, caller: Caller) -> None:
    _limit(cast, 1)
    assert reserve(_wish(caller, Decimal(3), least=Decimal("0.5"))) == 1
    with pytest.raises(BudgetExceeded):
        reserve(_wish(caller, Decimal(3), least=Decimal("0.5")))


@pytest.mark.threat("B6")
def test_a_call_waits_for_money_that_others_hold_and_do_not_need(cast: Cast, caller: Caller) -> None:
    _limit(cast, 1)
    first = _hold(caller)
    with ThreadPoolExecutor(1) as pool:
        second = pool.submit(_closing, _hold, caller)
        time.sleep(0.1)
        assert not second.done()
        with tenant_scope(cast.acme.pk):
            settle(first, Decimal(0))
        assert second.result(timeout=5)


def test_money_that_is_really_spent_is_not_waited_for(cast: Cast, caller: Caller) -> None:
    _limit(cast, 1)
    with tenant_scope(cast.acme.pk):
        settle(_hold(caller), Decimal("0.9"))
    begun = time.monotonic()
    with pytest.raises(BudgetExceeded):
        _hold(caller)
    assert time.monotonic() - begun < 1


def test_an_api_key_has_a_budget_of_its_own(cast: Cast, caller: Caller) -> None:
    with tenant_scope(cast.acme.pk):
        key, _text = ApiKey.issue(tenant=cast.acme, owner=cast.alice, name="crm", scopes=["ask"])
    _limit(cast, 0, api_key=key)
    assert _hold(caller), "the owner's own calls are not the key's"
    with pytest.raises(BudgetExceeded, match="the API key's monthly budget"):
        _hold(dataclasses.replace(caller, api_key_id=str(key.pk)))


def test_a_call_must_fit_into_every_period(cast: Cast, caller: Caller) -> None:
    _limit(cast, 10)
    _limit(cast, 5, period=Period.TOTAL)
    _limit(cast, 2, period=Period.DAILY)
    assert [bool(_hold(caller)) for _ in range(2)] == [True, True]
    with pytest.raises(BudgetExceeded, match="the tenant's daily budget"):
        _hold(caller)
    assert _used(cast.acme.pk) == [(2, 0)] * 3


def test_a_soft_budget_goes_on_and_counts(cast: Cast, caller: Caller) -> None:
    _limit(cast, 1, soft=True)
    for _ in range(3):
        with tenant_scope(cast.acme.pk):
            settle(_hold(caller), ONE)
    assert _used(cast.acme.pk) == [(0, 3)]


@pytest.mark.threat("B1")
def test_each_threshold_leaves_one_alert_whoever_reaches_it_at_the_same_time(cast: Cast, caller: Caller) -> None:
    _limit(cast, 10)
    calls = [_hold(caller) for _ in range(10)]

    def finish(call_id: uuid.UUID) -> None:
        with tenant_scope(cast.acme.pk):
            settle(call_id, Decimal("0.9"))

    with ThreadPoolExecutor(10) as pool:
        list(pool.map(lambda call_id: _closing(finish, call_id), calls))
    assert _alerts(cast) == [(50, False), (80, False)]
    for _ in range(2):
        with pytest.raises(BudgetExceeded):
            _hold(caller, Decimal(2))
    assert _alerts(cast) == [(50, False), (80, False), (100, True)]


def test_a_new_period_alerts_anew(cast: Cast, caller: Caller) -> None:
    _limit(cast, 1, period=Period.DAILY)
    with tenant_scope(cast.acme.pk):
        settle(_hold(caller), Decimal("0.6"))
        BudgetUse.objects.update(period_start=date(2026, 1, 1))
        BudgetAlert.objects.update(period_start=date(2026, 1, 1))
        settle(_hold(caller), Decimal("0.6"))
    assert _alerts(cast) == [(50, False), (50, False)]


@pytest.mark.threat("B5")
def test_a_model_without_a_price_is_refused(caller: Caller) -> None:
    unpriced = ModelProfile("unpriced", "test", "unpriced", context=10_000, max_output=1_000, price=None)
    with pytest.raises(UnpricedModel):
        most(Call(caller=caller, messages=()), unpriced)


def test_periods_begin_in_utc() -> None:
    today = date(2026, 11, 24)
    starts = [period_start(period, today) for period in (Period.MONTHLY, Period.DAILY, Period.TOTAL)]
    assert starts == [date(2026, 11, 1), today, budgets.BEGINNING]
    assert datetime(2026, 11, 1, tzinfo=UTC).date() == starts[0]


def test_the_estimate_counts_scripts_without_spaces_in_full() -> None:
    assert tokens("a" * 30) == 10
    assert tokens("漢字") == 2


def test_budgets_of_other_tenants_are_out_of_sight(cast: Cast, caller: Caller) -> None:
    _hold(caller)
    with tenant_scope(cast.mallory_co.pk):
        assert not Budget._base_manager.exists()
        assert not Reservation._base_manager.exists()


@pytest.mark.threat("B4")
def test_the_worker_sweeps_by_the_clock(caller: Caller) -> None:
    from gateway.tasks import sweep as task

    _hold(caller, seconds=-1)
    assert (task(), task()) == (1, 0)
    assert task.name in {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}
