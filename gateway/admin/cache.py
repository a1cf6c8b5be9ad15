"""The cache of answers in the admin: what each tenant allows, and what came of it."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Model
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse

from accounts.admin_site import TenantScopedAdmin
from accounts.tenancy import current_tenants
from gateway.cache import policy
from gateway.cache.use import DAYS, use
from gateway.models import CachePolicy


@admin.register(CachePolicy)
class CachePolicyAdmin(TenantScopedAdmin):
    """Above the policies that were set, every tenant's figures: those without a policy have one too."""

    list_display = ("tenant", "enabled", "similar", "bound", "hours")
    list_display_links = ("tenant",)
    list_select_related = ("tenant",)
    fields = ("tenant", "enabled", "similar", "bound", "hours")
    change_list_template = "admin/gateway/cachepolicy/change_list.html"
    actions = None

    class Media:
        css: ClassVar = {"all": ["gateway/cache.css"]}

    def has_add_permission(self, request: HttpRequest) -> bool:
        return True

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return True

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return obj is not None

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        return () if obj is None else ("tenant",)

    def save_model(self, request: HttpRequest, obj: CachePolicy, form: ModelForm[Any], change: bool) -> None:
        policy.save(obj)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        shown = {"uses": use(current_tenants()), "days": DAYS}
        return super().changelist_view(request, {**(extra_context or {}), **shown})
