"""Which models are asked and which are left alone, to read in Django admin."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext_lazy as _

from accounts.admin_site import TenantScopedAdmin
from gateway.breaker import health
from gateway.models import Circuit


@admin.register(Circuit)
class CircuitAdmin(TenantScopedAdmin):
    """The page reads the store that is in use, PostgreSQL or Redis. For the operator alone:
    the models are the installation's, not a tenant's."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        return bool(getattr(request.user, "is_superuser", False))

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self.has_module_permission(request)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Models and their circuits"),
            "circuits": health.circuits(),
        }
        return TemplateResponse(request, "admin/gateway/circuit/change_list.html", context)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        raise Http404
