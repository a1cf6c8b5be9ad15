"""Routing policies in all their versions. Rows are only ever added (see the migration)."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from accounts.models import Tenant, TenantModel, User


class PolicyVersion(models.Model):
    """One version, whole: `document` as in `gateway.routing.policy`, by whom, when and why. The newest
    is in force. `restores` is the number of the version that it brings back."""

    version = models.PositiveIntegerField(_("version"))
    document = models.JSONField(_("policy"), default=dict)
    note = models.CharField(_("why"), max_length=300)
    author = models.ForeignKey(
        User, on_delete=models.DO_NOTHING, db_constraint=False, null=True, related_name="+", verbose_name=_("by")
    )
    restores = models.PositiveIntegerField(_("restores version"), null=True)
    created_at = models.DateTimeField(_("time"), auto_now_add=True)

    class Meta:
        abstract = True


class RoutingPolicy(PolicyVersion, TenantModel):
    """A version of one tenant's policy, within what the operator's default allows."""

    tenant = models.ForeignKey(
        Tenant, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+", verbose_name=_("tenant")
    )

    class Meta:
        verbose_name = _("routing policy")
        verbose_name_plural = _("routing policies")
        ordering: ClassVar = ["tenant", "-version"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["tenant", "version"], name="one_policy_per_version"),
        ]

    def __str__(self) -> str:
        return f"{self.tenant}: {self.version}"


class RoutingDefault(PolicyVersion):
    """A version of the operator's default, for every tenant. Of no tenant, and with nothing of anybody's
    text in it; without a row, the default that comes with the product is in force."""

    version = models.PositiveIntegerField(_("version"), unique=True)

    class Meta:
        verbose_name = _("default routing policy")
        verbose_name_plural = _("default routing policy")
        ordering: ClassVar = ["-version"]

    def __str__(self) -> str:
        return str(self.version)
