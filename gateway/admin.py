"""The audit log, to read. Django looks here for what the admin shows; budgets are next door."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import Count, Sum
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext_lazy as _

from accounts.admin_site import TenantFilter, TenantScopedAdmin
from accounts.models import Tenant
from accounts.tenancy import current_tenants
from gateway.audit.story import tell
from gateway.audit.verify import end_fault
from gateway.budget_admin import AlertWebhookAdmin, BudgetAdmin
from gateway.models import AuditRecord

__all__ = ["AlertWebhookAdmin", "AuditRecordAdmin", "BudgetAdmin", "chains"]


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
