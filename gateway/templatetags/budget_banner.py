"""The line above every page of the admin while a budget is nearly or wholly used up."""

from __future__ import annotations

from typing import Any

from django import template
from django.utils import timezone

from gateway.alerts import whose
from gateway.budgets import nearly_used

register = template.Library()


@register.inclusion_tag("admin/gateway/budget/banner.html")
def budget_banner() -> dict[str, Any]:
    """Budgets of the tenants that the reader administers; nobody else's are in the scope."""
    lines = [
        {
            "budget": use.budget,
            "whose": whose(use.budget),
            "percent": int(use.settled * 100 / use.budget.limit) if use.budget.limit else 100,
            "settled": use.settled,
        }
        for use in nearly_used(timezone.now().date())
    ]
    return {"lines": lines}
