"""Tenants, members and keys for the tenants' admins; accounts for the operator."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin as BaseUserAdmin
from django.contrib.auth.forms import BaseUserCreationForm
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.admin_site import TenantFilter, TenantScopedAdmin
from accounts.models import ApiKey, Membership, Tenant, User
from accounts.permissions import ALL_SCOPES
from accounts.tenancy import current_tenants


@admin.register(Tenant)
class TenantAdmin(TenantScopedAdmin):
    list_display = ("name", "slug", "signup_open", "suspended_at", "created_at")
    fields = ("name", "slug", "accent", "example_questions", "signup_open", "suspended_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Tenant]:
        return Tenant.objects.filter(pk__in=current_tenants())

    def has_add_permission(self, request: HttpRequest) -> bool:
        return _is_operator(request)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return True

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        return () if _is_operator(request) else ("slug", "suspended_at")


class MembershipForm(forms.ModelForm):  # type: ignore[type-arg]
    """A member is named by the e-mail address of an account that exists."""

    email = forms.EmailField(label=_("e-mail address"))

    class Meta:
        model = Membership
        fields = ("tenant", "role")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        user = User.objects.filter(email=cleaned.get("email", "").lower()).first()
        if user is None:
            self.add_error("email", _("Nobody has an account with this address; ask them to sign up first."))
        elif Membership.objects.filter(tenant=cleaned.get("tenant"), user=user).exists():
            self.add_error("email", _("This person is a member already."))
        else:
            self.instance.user = user
        return cleaned


@admin.register(Membership)
class MembershipAdmin(TenantScopedAdmin):
    list_display = ("user", "role", "tenant", "created_at")
    list_filter = (TenantFilter, "role")
    list_select_related = ("user", "tenant")
    search_fields = ("user__email", "user__name")

    def get_form(self, request: HttpRequest, obj: Model | None = None, change: bool = False, **kwargs: Any) -> Any:
        if obj is None:
            kwargs["form"] = MembershipForm
        return super().get_form(request, obj, change, **kwargs)

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        return ("tenant", "email", "role") if obj is None else ("tenant", "user", "role")

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        return () if obj is None else ("tenant", "user")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return True

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return True

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return True


class ApiKeyForm(forms.ModelForm):  # type: ignore[type-arg]
    scopes = forms.MultipleChoiceField(
        choices=[(scope, scope) for scope in sorted(ALL_SCOPES)], widget=forms.CheckboxSelectMultiple
    )

    purpose = forms.CharField(
        label=_("purpose"),
        max_length=40,
        required=False,
        help_text=_(
            "For the scope gateway: what its calls are booked under. Budgets may be set for it, and for the key."
        ),
    )
    allowed_models = forms.CharField(
        label=_("allowed models"),
        required=False,
        help_text=_("For the scope gateway: names of models, separated by commas. Empty: those of the settings."),
    )

    class Meta:
        model = ApiKey
        fields = ("tenant", "owner", "name", "scopes", "purpose", "allowed_models", "expires_at")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        tenant, owner = cleaned.get("tenant"), cleaned.get("owner")
        if tenant and owner and not Membership.objects.filter(tenant=tenant, user=owner).exists():
            self.add_error("owner", _("This person is not a member of the tenant."))
        return cleaned

    def clean_allowed_models(self) -> list[str]:
        return [name.strip() for name in str(self.cleaned_data["allowed_models"]).split(",") if name.strip()]


@admin.register(ApiKey)
class ApiKeyAdmin(TenantScopedAdmin):
    """Keys are issued and revoked, never changed; the text of a key is shown once."""

    form = ApiKeyForm
    list_display = ("name", "prefix", "owner", "tenant", "scopes", "purpose", "created_at", "expires_at", "revoked_at")
    list_filter = (TenantFilter,)
    list_select_related = ("owner", "tenant")
    fields = ("tenant", "owner", "name", "scopes", "purpose", "allowed_models", "expires_at")
    actions = ("revoke",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return True

    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: bool) -> None:
        given = {name: getattr(obj, name) for name in ("purpose", "allowed_models", "expires_at")}
        key, text = ApiKey.issue(tenant=obj.tenant, owner=obj.owner, name=obj.name, scopes=obj.scopes, **given)
        obj.pk, obj.prefix = key.pk, key.prefix
        messages.warning(request, _("Copy the key now, it is not shown again: %(key)s") % {"key": text})

    @admin.action(description=_("Revoke the selected keys"))
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        count = queryset.filter(revoked_at=None).update(revoked_at=timezone.now())
        messages.success(request, _("%(count)d keys revoked.") % {"count": count})


class UserCreationForm(BaseUserCreationForm):  # type: ignore[type-arg]
    class Meta:
        model = User
        fields = ("email", "name")


@admin.register(User)
class UserAdmin(BaseUserAdmin):  # type: ignore[type-arg]
    """Accounts belong to the installation, so the operator alone sees them."""

    add_form = UserCreationForm
    ordering = ("email",)
    list_display = ("email", "name", "is_active", "is_superuser", "date_joined")
    list_filter = ("is_active", "is_superuser")
    search_fields = ("email", "name")
    filter_horizontal = ()
    readonly_fields = ("date_joined", "last_login")
    fieldsets = ((None, {"fields": ("email", "name", "password", "is_active", "is_superuser", *readonly_fields)}),)
    add_fieldsets = ((None, {"fields": ("email", "name", "usable_password", "password1", "password2")}),)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return _is_operator(request)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return _is_operator(request)


def _is_operator(request: HttpRequest) -> bool:
    return bool(getattr(request.user, "is_superuser", False))
