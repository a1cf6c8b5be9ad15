"""Who may read a tenant's texts with the personal data in them."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from accounts.models import Tenant, TenantModel


class RedactionPolicy(TenantModel):
    """The providers that a tenant clears. Without a row the operator's setting decides; with one, that
    alone. What runs in this process needs no clearance."""

    tenant = models.OneToOneField(
        Tenant, on_delete=models.CASCADE, primary_key=True, related_name="+", verbose_name=_("tenant")
    )
    cleared = models.JSONField(_("cleared providers"), default=list, blank=True)

    class Meta:
        verbose_name = _("redaction policy")
        verbose_name_plural = _("redaction policies")

    def __str__(self) -> str:
        return f"{self.tenant}: {', '.join(self.cleared) or '-'}"
