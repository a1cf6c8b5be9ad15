"""The audit log, to read; and the budgets, to set."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import Count, Model, QuerySet, Sum
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.admin_site import TenantFilter, TenantScopedAdmin
from accounts.models import Tenant
from accounts.tenancy import current_tenants
from gateway.audit.story import tell
from gateway.audit.verify import end_fault
from gateway.budgets import period_start
from gateway.circuit_admin import CircuitAdmin
from gateway.models import AuditRecord, Budget, BudgetUse

__all__ = ["AuditRecordAdmin", "BudgetAdmin", "CircuitAdmin", "chains"]


@admin.register(AuditRecord)
class AuditRecordAdmin(TenantScopedAdmin):
    """A list with its totals, and each record as a story. Nothing here can be changed."""

    list_display = ("sequence", "at", "who", "kind", "purpose", "model", "verdict", "finish_reason", "shown_cost")
    list_display_links = ("sequence", "at")
    list_filter = (
        TenantFilter,
        "kind",
        "purpose",
        "provider",
        "model",
        "verdict",
        "finish_reason",
        "error_code",
        ("user", admin.RelatedOnlyFieldListFilter),
    )
    search_fields = ("content__body", "user_label", "conversation_id")
    search_help_text = _("Searches questions, prompts, sources and answers.")
    date_hierarchy = "at"
    ordering = ("-at", "-sequence")
    list_per_page = 50
    show_full_result_count = False
    actions = None
    paginator = Paginator
    change_list_template = "admin/gateway/auditrecord/change_list.html"

    @admin.display(description=_("asked by"), ordering="user_label")
    def who(self, record: AuditRecord) -> str:
        return record.user_label or "-"

    @admin.display(description=_("cost"), ordering="cost")
    def shown_cost(self, record: AuditRecord) -> str:
        return f"${record.cost:.4f}"

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        response = super().changelist_view(request, extra_context)
        if isinstance(response, TemplateResponse) and response.context_data and "cl" in response.context_data:
            found = response.context_data["cl"].queryset.order_by()
            response.context_data["totals"] = found.aggregate(count=Count("pk"), cost=Sum("cost"))
            response.context_data["chains"] = chains()
        return response

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        record = self.get_object(request, object_id)
        if record is None:
            raise Http404
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Audit record %(number)d") % {"number": record.sequence},
            "story": tell(record),
        }
        return TemplateResponse(request, "admin/gateway/auditrecord/story.html", context)


def chains() -> list[dict[str, Any]]:
    """The state of the end of each visible tenant's chain: `{tenant, fault}`."""
    tenants = Tenant.objects.filter(pk__in=current_tenants()).order_by("name")
    return [{"tenant": tenant.name, "fault": end_fault(tenant.pk)} for tenant in tenants]


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
