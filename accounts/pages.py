"""Pages of a tenant's members: who may see one, and the tenant's scope around it."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse

from accounts.models import Role
from accounts.permissions import Actor, actor_for
from accounts.tenancy import tenant_scope

View = Callable[..., HttpResponse]


def signed_in(view: View) -> View:
    """The view gets the member as `actor`; anonymous visitors sign in first, strangers get 404.
    No transaction is open in it: for views that wait for a model."""

    @wraps(view)
    def checked(request: HttpRequest, tenant: str, **arguments: Any) -> HttpResponse:
        if not request.user.is_authenticated:
            reads = request.method in ("GET", "HEAD")
            target = request.get_full_path() if reads else reverse("portal:ask", args=[tenant])
            return redirect_to_login(target, "account_login")
        actor = actor_for(request.user, tenant)
        if actor is None:
            raise Http404
        return view(request, actor, **arguments)

    return checked


def member_page(view: View) -> View:
    """As `signed_in`, with the tenant's scope around the view and its rendering."""

    @signed_in
    @wraps(view)
    def scoped(request: HttpRequest, actor: Actor, **arguments: Any) -> HttpResponse:
        with tenant_scope(actor.tenant_id):
            return view(request, actor, **arguments)

    return scoped


def agent_page(view: View) -> View:
    """As `member_page`, for agents and admins; 404 for customers."""

    @member_page
    @wraps(view)
    def checked(request: HttpRequest, actor: Actor, **arguments: Any) -> HttpResponse:
        if not actor.at_least(Role.AGENT):
            raise Http404
        return view(request, actor, **arguments)

    return checked
