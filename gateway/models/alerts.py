"""What the admins are told of a budget, and how it is brought to them."""

from __future__ import annotations

import secrets
import uuid
from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from accounts.models import TenantModel
from gateway.models.money import Budget


def new_salt() -> str:
    return secrets.token_hex(16)


class Threshold(models.IntegerChoices):
    HALF = 50, "50 %"
    MOST = 80, "80 %"
    ALL = 100, "100 %"  # also when a hard budget refuses a call that the rest does not hold


class BudgetAlert(TenantModel):
    """A budget that reached a threshold in a period: one row, made by the transaction that booked
    the money (or refused the call), so one alert, whoever counts at the same time. The figures are
    those of that moment. `announced_at` is when its deliveries were made."""

    budget = models.ForeignKey(Budget, on_delete=models.CASCADE, related_name="alerts")
    period_start = models.DateField(_("period from"))
    threshold = models.PositiveSmallIntegerField(_("threshold"), choices=Threshold)
    refused = models.BooleanField(_("a call was refused"), default=False)
    settled = models.DecimalField(_("used"), max_digits=18, decimal_places=10)
    limit = models.DecimalField(_("limit in US dollars"), max_digits=14, decimal_places=6)
    created_at = models.DateTimeField(_("time"))
    announced_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("budget alert")
        verbose_name_plural = _("budget alerts")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["budget", "period_start", "threshold"], name="one_alert_per_threshold"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["id"], condition=models.Q(announced_at=None), name="alerts_to_announce"),
        ]

    def __str__(self) -> str:
        return f"{self.get_threshold_display()} since {self.period_start}"


class AlertWebhook(TenantModel):
    """An address that is told of every budget alert. The secret that signs what is sent is made
    from the installation's key and `salt`, so none is stored; another salt is another secret."""

    url = models.URLField(_("address"), max_length=500)
    active = models.BooleanField(_("active"), default=True)
    salt = models.CharField(max_length=32, editable=False, default=new_salt)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("alert webhook")
        verbose_name_plural = _("alert webhooks")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["tenant", "url"], name="one_webhook_per_address"),
        ]

    def __str__(self) -> str:
        return self.url


class DeliveryState(models.TextChoices):
    WAITING = "waiting", _("waiting")  # to be sent when `due_at` has come
    SENDING = "sending", _("sending")  # a worker has it until `due_at`; after that another may
    SENT = "sent", _("sent")  # the mail server or the webhook took it
    FAILED = "failed", _("failed")  # given up after the last attempt; `error` says why


class AlertDelivery(TenantModel):
    """One alert on its way to one recipient: the outbox. To a webhook, or to `email` where there is
    none. Sent at least once: a worker that dies between sending and noting it sends again, under
    the same id."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    alert = models.ForeignKey(BudgetAlert, on_delete=models.CASCADE, related_name="deliveries")
    webhook = models.ForeignKey(AlertWebhook, on_delete=models.CASCADE, null=True, related_name="+")
    email = models.EmailField(_("e-mail address"), blank=True)
    state = models.CharField(_("state"), max_length=10, choices=DeliveryState, default=DeliveryState.WAITING)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    due_at = models.DateTimeField()
    sent_at = models.DateTimeField(_("sent"), null=True)
    error = models.CharField(_("error"), max_length=200, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["alert", "webhook", "email"], nulls_distinct=False, name="one_delivery_per_recipient"
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["due_at"], condition=models.Q(state__in=["waiting", "sending"]), name="deliveries_due"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.email or self.webhook}: {self.state}"
