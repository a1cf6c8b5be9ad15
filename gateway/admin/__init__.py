"""The budgets, to set. `audit` shows the log."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.admin_site import TenantFilter, TenantScopedAdmin
from gateway.admin.audit import AuditPolicyAdmin, AuditRecordAdmin, AuditSubjectAdmin
from gateway.budgets import period_start
from gateway.models import Budget, BudgetUse

__all__ = ["AuditPolicyAdmin", "AuditRecordAdmin", "AuditSubjectAdmin", "BudgetAdmin"]


@admin.register(Budget)
class BudgetAdmin(TenantScopedAdmin):
    """Limits may be set; what has been used is for the gateway to write."""

    list_display = ("level_shown", "tenant", "user", "purpose", "period", "limit", "used", "reserved")
    list_filter = (TenantFilter, "period")
    list_select_related = ("tenant", "user")
    fields = ("tenant", "user", "purpose", "period", "limit")
    ordering = ("tenant", "id")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return True

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return True

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A tenant's own budget stays: without one, the next call would make the default again."""
        return obj is not None and obj.level != "tenant"

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        return () if obj is None else ("tenant", "user", "purpose", "period")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).prefetch_related("uses")

    @admin.display(description=_("whose"))
    def level_shown(self, budget: Budget) -> str:
        return budget.level

    @admin.display(description=_("used so far"))
    def used(self, budget: Budget) -> str:
        use = _current(budget)
        settled = use.settled if use else Decimal(0)
        share = f" ({settled / budget.limit:.0%})" if budget.limit else ""
        return f"${settled:.4f}{share}"

    @admin.display(description=_("reserved"))
    def reserved(self, budget: Budget) -> str:
        use = _current(budget)
        return f"${use.reserved if use else Decimal(0):.4f}"


def _current(budget: Budget) -> BudgetUse | None:
    start = period_start(budget.period, timezone.now().date())
    return next((use for use in budget.uses.all() if use.period_start == start), None)
