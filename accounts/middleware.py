"""Opens the scope in which Django admin reads."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from accounts.permissions import administered_tenants
from accounts.tenancy import tenant_scope

ADMIN_PREFIX = "/admin/"


class AdminScopeMiddleware:
    """Within the admin, rows of the tenants that the user administers, and no others.

    Admin views are synchronous, short, and call no model, so one transaction may span them.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path_info.startswith(ADMIN_PREFIX):
            return self.get_response(request)
        with tenant_scope(*administered_tenants(request.user)):  # type: ignore[arg-type]
            response = self.get_response(request)
            render = getattr(response, "render", None)
            if callable(render) and not getattr(response, "is_rendered", True):
                render()
            return response
