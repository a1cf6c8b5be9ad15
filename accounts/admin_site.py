"""Django admin for two kinds of people: the operator, and the admins of tenants.

`AdminScopeMiddleware` has opened the scope of the tenants that the user administers, so the scoped
managers and row-level security decide what anybody sees; here stands only who may enter, and that
nothing can be changed unless a model's admin says so.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import admin
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db.models import ForeignKey, Model, QuerySet
from django.forms import ModelChoiceField
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from accounts.models import Tenant, User
from accounts.tenancy import current_tenants


class CitedeskAdminSite(admin.AdminSite):
    site_title = site_header = "Citedesk"
    index_title = _("Administration")
    site_url = "/"

    def has_permission(self, request: HttpRequest) -> bool:
        """The operator, and whoever administers at least one tenant."""
        user = request.user
        return user.is_active and (getattr(user, "is_superuser", False) or bool(current_tenants()))

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The product's own sign-in; somebody signed in who may not enter is told so."""
        if request.user.is_authenticated and not self.has_permission(request):
            raise PermissionDenied
        return redirect_to_login(request.GET.get("next", reverse("admin:index")), settings.LOGIN_URL)


class TenantFilter(admin.SimpleListFilter):
    """By tenant, naming no tenant that the user does not administer."""

    title, parameter_name = _("tenant"), "tenant"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[Any, str]]:
        return [(str(pk), name) for pk, name in _tenants().values_list("pk", "name")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        return queryset.filter(tenant_id=int(value)) if value and value.isdecimal() else queryset


class TenantScopedAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """To look at, by everybody whom the site let in; not to change. Choices of tenants and people
    are those of the tenants that the user administers."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        return True

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return True

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def formfield_for_foreignkey(
        self, db_field: ForeignKey[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> ModelChoiceField[Any] | None:
        if db_field.remote_field.model is Tenant:
            kwargs["queryset"] = _tenants()
        elif db_field.remote_field.model is User:
            kwargs["queryset"] = User.objects.filter(memberships__tenant_id__in=current_tenants()).distinct()
        return super().formfield_for_foreignkey(db_field, request, **kwargs)


def _tenants() -> QuerySet[Tenant]:
    return Tenant.objects.filter(pk__in=current_tenants()).order_by("name")
