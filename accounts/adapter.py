"""Sign-in by e-mail address, and sign-up by customers of one tenant."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from django.db import transaction
from django.http import HttpRequest
from django.urls import reverse

from accounts.models import Membership, Role, Tenant, User
from accounts.permissions import tenant_by_slug
from accounts.tenancy import tenant_scope

SESSION_KEY = "signup_tenant"


def signup_tenant(request: HttpRequest) -> Tenant | None:
    """The tenant that this visitor came to sign up with, if it takes new customers.

    It comes in as `?tenant=<slug>` and is kept in the session, for the form posts without it.
    """
    slug = request.GET.get("tenant")
    if slug:
        request.session[SESSION_KEY] = slug
    tenant = tenant_by_slug(str(request.session.get(SESSION_KEY, "")))
    return tenant if tenant is not None and tenant.signup_open else None


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """Nobody signs up without a tenant: an account alone could see nothing."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return signup_tenant(request) is not None

    def save_user(self, request: HttpRequest, user: User, form: Any, commit: bool = True) -> User:
        """The user with a customer's membership, both or neither."""
        tenant = signup_tenant(request)
        if tenant is None or not commit:
            saved: User = super().save_user(request, user, form, commit=False)
            return saved
        with transaction.atomic():
            saved = super().save_user(request, user, form, commit=True)
            with tenant_scope(tenant.pk):
                Membership.objects.create(tenant=tenant, user=saved, role=Role.CUSTOMER)
        return saved

    def get_signup_redirect_url(self, request: HttpRequest) -> str:
        tenant = signup_tenant(request)
        return reverse("portal:ask", args=[tenant.slug]) if tenant is not None else reverse("home")
