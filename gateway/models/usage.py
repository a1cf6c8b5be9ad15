"""What the admin calls usage: the audit records, counted."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from gateway.models.audit import AuditRecord


class Usage(AuditRecord):
    """Gives the page of figures its place in the admin; it has no rows of its own."""

    class Meta:
        proxy = True
        verbose_name = verbose_name_plural = _("usage")
