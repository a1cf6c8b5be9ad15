"""What a tenant's programs may send, for its admins to set."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from accounts.admin_site import TenantFilter, TenantScopedAdmin
from gateway.models import DoorPolicy


@admin.register(DoorPolicy)
class DoorPolicyAdmin(TenantScopedAdmin):
    list_display = ("tenant", "classification", "block_private_keys", "block_cloud_keys", "block_tokens")
    list_filter = (TenantFilter,)
    list_select_related = ("tenant",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return True

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return True

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        return () if obj is None else ("tenant",)
