"""Batches of calls in the admin: how far they are, what they cost so far, and the way to stop one."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import Count, Q, QuerySet, Sum
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from accounts.admin_site import TenantFilter, TenantScopedAdmin
from gateway.batch import progress
from gateway.models import OPEN_ITEMS, Batch, ItemState, PartState


@admin.register(Batch)
class BatchAdmin(TenantScopedAdmin):
    """To look at, and to cancel. What was asked and answered stands in the audit records."""

    list_display = ("__str__", "tenant", "state", "ended_of_all", "not_answered", "cost_so_far", "created_at", "user")
    list_filter = (TenantFilter, "state")
    list_select_related = ("tenant", "user")
    date_hierarchy = "created_at"
    fields = (
        *("label", "id", "tenant", "user", "state", "error_code", "created_at", "cancelled_at", "ended_at"),
        *("by_state", "cost_so_far", "where"),
    )
    readonly_fields = ("id", "by_state", "cost_so_far", "where")
    actions = ("cancel",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        counted = {
            "all_items": Count("items"),
            "open_items": Count("items", filter=Q(items__state__in=OPEN_ITEMS)),
            "bad_items": Count("items", filter=~Q(items__state__in=[*OPEN_ITEMS, ItemState.SUCCEEDED])),
            "spent": Sum("items__cost"),
        }
        found: QuerySet[Any] = super().get_queryset(request).annotate(**counted)
        return found

    @admin.display(description=_("ended"))
    def ended_of_all(self, batch: Any) -> str:
        return f"{batch.all_items - batch.open_items} / {batch.all_items}"

    @admin.display(description=_("without an answer"))
    def not_answered(self, batch: Any) -> int:
        return int(batch.bad_items)

    @admin.display(description=_("cost so far"))
    def cost_so_far(self, batch: Any) -> str:
        return f"${batch.spent or 0:.4f}"

    @admin.display(description=_("calls"))
    def by_state(self, batch: Batch) -> str:
        """By state, and what failed by its code."""
        rows = batch.items.order_by().values_list("state", "error_code").annotate(count=Count("pk"))
        said = [(ItemState(state).label, code and f" ({code})", count) for state, code, count in sorted(rows)]
        return format_html_join(", ", "{}{}: {}", said) or "-"

    @admin.display(description=_("uploads"))
    def where(self, batch: Batch) -> str:
        rows = [
            (part.model or _("called one by one"), PartState(part.state).label, part.remote_id, part.last_error)
            for part in batch.parts.order_by("model", "id")
        ]
        return format_html_join("\n", "<p>{}: {} {} {}</p>", rows) or "-"

    @admin.action(description=_("Cancel the selected batches"))
    def cancel(self, request: HttpRequest, queryset: QuerySet[Batch]) -> None:
        stopped = sum(progress.cancel(batch) for batch in queryset)
        said = ngettext("%(count)d batch is being cancelled.", "%(count)d batches are being cancelled.", stopped)
        messages.success(request, said % {"count": stopped})
