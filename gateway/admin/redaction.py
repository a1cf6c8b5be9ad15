"""Which providers may read a tenant's texts as they are, in the admin."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from accounts.admin_site import TenantFilter, TenantScopedAdmin
from gateway.conf import NEEDED
from gateway.models import RedactionPolicy
from gateway.redaction.policy import forget


class RedactionPolicyForm(forms.ModelForm):  # type: ignore[type-arg]
    cleared = forms.MultipleChoiceField(
        label=_("cleared providers"),
        required=False,
        choices=[(name, name) for name in NEEDED],
        widget=forms.CheckboxSelectMultiple,
        help_text=_("These may read personal data. All others are sent placeholders instead of it."),
    )

    class Meta:
        model = RedactionPolicy
        fields = ("tenant", "cleared")


@admin.register(RedactionPolicy)
class RedactionPolicyAdmin(TenantScopedAdmin):
    """One for each tenant, to be set by its admins; without one the operator's setting decides."""

    form = RedactionPolicyForm
    list_display = ("tenant", "cleared_shown")
    list_filter = (TenantFilter,)
    list_select_related = ("tenant",)
    ordering = ("tenant",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return True

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return True

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return True

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        return () if obj is None else ("tenant",)

    def save_model(self, request: HttpRequest, obj: RedactionPolicy, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        forget(obj.tenant_id)

    def delete_model(self, request: HttpRequest, obj: RedactionPolicy) -> None:
        forget(obj.tenant_id)
        super().delete_model(request, obj)

    @admin.display(description=_("cleared providers"))
    def cleared_shown(self, policy: RedactionPolicy) -> str:
        return ", ".join(policy.cleared) or "-"
