"""Budgets in the admin: the limits to set, what is used of them, and who was told."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html_join
from django.utils.translation import gettext_lazy as _

from accounts.admin_site import TenantFilter, TenantScopedAdmin
from gateway import webhooks
from gateway.addresses import NotPublic
from gateway.alerts import whose
from gateway.budgets import period_start
from gateway.models import AlertDelivery, AlertWebhook, Budget, BudgetAlert, BudgetUse, DeliveryState, new_salt


@admin.register(Budget)
class BudgetAdmin(TenantScopedAdmin):
    """Limits may be set; what has been used is for the gateway to write."""

    list_display = ("whose_shown", "tenant", "period", "kind", "limit", "used", "reserved", "alerts_sent")
    list_filter = (TenantFilter, "period", "soft")
    list_select_related = ("tenant", "user", "api_key")
    ordering = ("tenant", "id")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return True

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return True

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A tenant's own budget stays: without one, the next call would make the default again."""
        return obj is not None and obj.level != "tenant"

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        return () if obj is None else ("tenant", "user", "api_key", "purpose", "period", "used", "reserved", "told")

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        settable = ("tenant", "user", "api_key", "purpose", "period", "limit", "soft")
        return settable if obj is None else (*settable, "used", "reserved", "told")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).prefetch_related("uses", "alerts__deliveries__webhook")

    @admin.display(description=_("whose"))
    def whose_shown(self, budget: Budget) -> str:
        return whose(budget)

    @admin.display(description=_("kind"), ordering="soft")
    def kind(self, budget: Budget) -> Any:
        return _("soft: alerts") if budget.soft else _("hard: refuses")

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

    @admin.display(description=_("alerts in this period"))
    def alerts_sent(self, budget: Budget) -> str:
        start = period_start(budget.period, timezone.now().date())
        alerts = [alert for alert in budget.alerts.all() if alert.period_start == start]
        return ", ".join(_count(alert) for alert in sorted(alerts, key=lambda each: each.threshold)) or "-"

    @admin.display(description=_("alerts"))
    def told(self, budget: Budget) -> str:
        """Every alert with its figures and what became of each delivery, newest first."""
        alerts = sorted(budget.alerts.all(), key=lambda each: -each.pk)
        lines = [(_figures(alert), ", ".join(_outcome(each) for each in alert.deliveries.all())) for alert in alerts]
        return format_html_join("", "<p><strong>{}</strong><br>{}</p>", lines) or "-"


class WebhookForm(forms.ModelForm):  # type: ignore[type-arg]
    url = forms.URLField(label=_("address"), max_length=500, assume_scheme="https")

    class Meta:
        model = AlertWebhook
        fields = ("tenant", "url", "active")

    def clean_url(self) -> str:
        url = str(self.cleaned_data["url"])
        try:
            webhooks.check(url)
        except NotPublic as error:
            raise forms.ValidationError(str(error)) from error
        return url


@admin.register(AlertWebhook)
class AlertWebhookAdmin(TenantScopedAdmin):
    """Addresses that are told of budget alerts. The secret is shown once, when it is made."""

    form = WebhookForm
    list_display = ("url", "tenant", "active", "created_at")
    list_filter = (TenantFilter, "active")
    list_select_related = ("tenant",)
    actions = ("renew_secret",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return True

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return True

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return True

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        return () if obj is None else ("tenant",)

    def save_model(self, request: HttpRequest, obj: AlertWebhook, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if not change:
            _show_secret(request, obj)

    @admin.action(description=_("Make a new secret; the old one ends at once"))
    def renew_secret(self, request: HttpRequest, queryset: QuerySet[AlertWebhook]) -> None:
        for webhook in queryset:
            webhook.salt = new_salt()
            webhook.save(update_fields=["salt"])
            _show_secret(request, webhook)


def _show_secret(request: HttpRequest, webhook: AlertWebhook) -> None:
    said = _("The secret that signs what %(url)s is sent. Copy it now, it is not shown again: %(secret)s")
    messages.warning(request, said % {"url": webhook.url, "secret": webhooks.secret_of(webhook)})


def _figures(alert: BudgetAlert) -> str:
    event = _("a call was refused") if alert.refused else alert.get_threshold_display()
    return f"{date_format(alert.created_at, 'DATETIME_FORMAT')}: {event}, ${alert.settled:.4f} / ${alert.limit:.2f}"


def _outcome(delivery: AlertDelivery) -> str:
    state = delivery.get_state_display()
    return f"{delivery.email or delivery.webhook} ({state}{': ' if delivery.error else ''}{delivery.error})"


def _count(alert: BudgetAlert) -> str:
    deliveries = list(alert.deliveries.all())
    sent = sum(each.state == DeliveryState.SENT for each in deliveries)
    return f"{alert.get_threshold_display()} ({sent}/{len(deliveries)})"


def _current(budget: Budget) -> BudgetUse | None:
    start = period_start(budget.period, timezone.now().date())
    return next((use for use in budget.uses.all() if use.period_start == start), None)
