"""Budgets, what they have used, and what calls that still run hold of them."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from accounts.models import ApiKey, TenantModel, User


class Period(models.TextChoices):
    MONTHLY = "monthly", _("monthly")  # begins on the first day, UTC
    DAILY = "daily", _("daily")  # begins at midnight, UTC
    TOTAL = "total", _("total")  # never begins anew


class Budget(TenantModel):
    """How much may be spent. No user, no API key and no purpose: the whole tenant's; otherwise that
    user's, that key's, that purpose's, or what all that are set have in common. A call must fit into
    all hard budgets that apply; soft ones count and alert, and refuse nothing."""

    user = models.ForeignKey(
        User, on_delete=models.CASCADE, null=True, blank=True, related_name="+", verbose_name=_("user")
    )
    api_key = models.ForeignKey(
        ApiKey, on_delete=models.CASCADE, null=True, blank=True, related_name="+", verbose_name=_("API key")
    )
    purpose = models.CharField(_("purpose"), max_length=40, blank=True)
    period = models.CharField(_("period"), max_length=10, choices=Period, default=Period.MONTHLY)
    limit = models.DecimalField(_("limit in US dollars"), max_digits=14, decimal_places=6)
    soft = models.BooleanField(
        _("soft"), default=False, help_text=_("Calls go on when it is used up; the admins are told all the same.")
    )

    class Meta:
        verbose_name = _("budget")
        verbose_name_plural = _("budgets")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["tenant", "user", "api_key", "purpose", "period"],
                nulls_distinct=False,
                name="one_budget_per_level",
            ),
            models.CheckConstraint(condition=models.Q(limit__gte=0), name="budget_limit_is_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.level}: ${self.limit:.2f} {self.get_period_display()}"

    @property
    def level(self) -> str:
        """Whose budget it is: `tenant`, or of `user`, `API key` and `purpose` those that are set."""
        set_ = {"user": self.user_id, "API key": self.api_key_id, "purpose": self.purpose}
        return " and ".join(name for name, value in set_.items() if value) or "tenant"


class BudgetUse(TenantModel):
    """What one period of a budget has used, in US dollars: `reserved` by calls that still run,
    `settled` by those that ended."""

    budget = models.ForeignKey(Budget, on_delete=models.CASCADE, related_name="uses")
    period_start = models.DateField()
    reserved = models.DecimalField(max_digits=18, decimal_places=10, default=0)
    settled = models.DecimalField(max_digits=18, decimal_places=10, default=0)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["budget", "period_start"], name="one_use_per_period"),
        ]

    def __str__(self) -> str:
        return f"{self.period_start}: ${self.settled:.4f}, reserved ${self.reserved:.4f}"


class Reservation(TenantModel):
    """Money held for a call that runs; the row goes when the call is settled. `lines` are the
    ids of the `BudgetUse` rows that hold it, `request` is the frozen call, so that one whose
    process died can still be audited after `expires_at`."""

    id = models.UUIDField(primary_key=True, editable=False)  # the call's id
    amount = models.DecimalField(max_digits=18, decimal_places=10)
    lines = models.JSONField(default=list)
    request = models.TextField()
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"{self.id}: ${self.amount:.6f}"
