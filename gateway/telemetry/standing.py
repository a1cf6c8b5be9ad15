"""How things stand when metrics are read: circuits and budgets, from the stores that all processes share."""

from __future__ import annotations

from collections.abc import Iterator

from django.db.models import Q
from django.utils import timezone
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from accounts.models import Tenant
from accounts.tenancy import tenant_scope
from gateway.breaker import health
from gateway.breaker.state import Phase
from gateway.budgets import period_start
from gateway.models import BudgetUse, Period

STANDS = {Phase.CLOSED: 0.0, Phase.HALF_OPEN: 0.5, Phase.OPEN: 1.0}


class Standing(Collector):
    """Reads the database, so it is asked for every look. Of budgets, those of whole tenants: others are
    of people. Raises `django.db.Error`."""

    def collect(self) -> Iterator[Metric]:
        circuit = GaugeMetricFamily("citedesk_circuit_open", "1 left alone, 0.5 about to be tried", labels=["model"])
        for shown in health.circuits():
            circuit.add_metric([shown.model], STANDS[shown.phase])
        yield circuit
        used = GaugeMetricFamily("citedesk_budget_used_ratio", "Booked, of the limit", labels=["tenant", "period"])
        held = GaugeMetricFamily("citedesk_budget_held_ratio", "Held by running calls", labels=["tenant", "period"])
        for use in _uses():
            who, limit = [use.budget.tenant.slug, use.budget.period], float(use.budget.limit)
            used.add_metric(who, float(use.settled) / limit if limit else 1.0)
            held.add_metric(who, float(use.reserved) / limit if limit else 0.0)
        yield used
        yield held


def _uses() -> list[BudgetUse]:
    today, now = timezone.now().date(), Q(pk=None)
    for period in Period.values:
        now |= Q(budget__period=period, period_start=period_start(period, today))
    with tenant_scope(*Tenant.objects.values_list("pk", flat=True)):
        whole = BudgetUse.objects.filter(now, budget__user=None, budget__api_key=None, budget__purpose="")
        return list(whole.select_related("budget__tenant"))
