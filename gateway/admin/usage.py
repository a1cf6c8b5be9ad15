"""What calls cost, how long they took and how they failed: a page of charts, with a table under each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.admin_site import TenantScopedAdmin
from accounts.models import Tenant
from accounts.tenancy import current_tenants
from gateway.models import Usage
from gateway.templatetags.usage_money import money, seconds
from gateway.usage import charts
from gateway.usage.figures import Failed, Figures, Period, Spent, Took, figures
from gateway.usage.outcomes import resolved

DAYS = (7, 30, 90)


@admin.register(Usage)
class UsageAdmin(TenantScopedAdmin):
    """Of the tenants that the reader administers, or of one of them."""

    class Media:
        css: ClassVar = {"all": ["gateway/usage.css"]}

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        days = _days(request)
        names = dict(Tenant.objects.filter(pk__in=current_tenants()).order_by("name").values_list("pk", "name"))
        chosen = _tenant(request, names)
        tenants = [chosen] if chosen else list(names)
        period = Period.last(days, timezone.now().date())
        found = figures(tenants, period)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "media": self.media,
            "title": _("Usage"),
            "days": days,
            "choices": DAYS,
            "period": period,
            "tenants": names.items() if len(names) > 1 else (),
            "chosen": chosen,
            "whole": found.whole,
            "spent": _spent(found, names),
            "by_day_rows": [(row.name, row) for row in found.days],
            "columns": charts.columns([(row.name, float(row.cost), money(row.cost)) for row in found.days]),  # type: ignore[misc]
            "took": found.took,
            "took_bars": charts.bars([_slowness(row) for row in found.took]),
            "failed": found.failed,
            "failed_bars": charts.bars([_failure(row) for row in found.failed]),
            "resolved": resolved(tenants, period),
        }
        return TemplateResponse(request, "admin/gateway/usage/page.html", context)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        raise Http404


def _days(request: HttpRequest) -> int:
    asked = request.GET.get("days", "30")
    return int(asked) if asked in {str(each) for each in DAYS} else 30


def _tenant(request: HttpRequest, names: dict[int, str]) -> int | None:
    """One that is not the reader's is not there."""
    asked = request.GET.get("tenant", "")
    if not asked:
        return None
    if not asked.isdecimal() or int(asked) not in names:
        raise Http404
    return int(asked)


def _spent(found: Figures, names: dict[int, str]) -> list[dict[str, Any]]:
    """Tenants, features and models: each a chart and its table."""
    kinds: list[tuple[Any, Any, Sequence[Spent], Any]] = [
        (_("Cost by tenant"), _("Tenant"), found.tenants, lambda row: names.get(row.name, "")),
        (_("Cost by feature"), _("Purpose and task"), found.features, lambda row: f"{row.name} · {row.task}"),
        (_("Cost by model"), _("Model"), found.models, lambda row: row.name or _("none was reached")),
    ]
    return [
        {
            "title": title,
            "head": head,
            "rows": [(str(label(row)), row) for row in rows],
            "bars": charts.bars([(str(label(row)), float(row.cost), money(row.cost)) for row in rows]),
        }
        for title, head, rows, label in kinds
    ]


def _slowness(row: Took) -> tuple[str, float, str]:
    return f"{row.task} · {row.model}", row.whole[1], seconds(row.whole[1])


def _failure(row: Failed) -> tuple[str, float, str]:
    return row.code, row.calls, str(row.calls)
