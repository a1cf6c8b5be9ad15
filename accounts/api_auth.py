"""The API's doorman: a session or an API key, a tenant in the path, a scope for the endpoint."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, cast

from django.http import Http404, HttpRequest
from django.middleware.csrf import CsrfViewMiddleware

from accounts.permissions import Actor, actor_for, actor_for_key
from accounts.tenancy import in_database, tenant_scope

SAFE = {"GET", "HEAD", "OPTIONS"}


class NotSignedIn(Exception):
    """Neither a session nor a valid API key came with the request."""

    code = "not_signed_in"
    detail = "Sign in, or send an API key as a bearer token."


class ScopeMissing(Exception):
    """The API key is good, but not for this."""

    code = "scope_missing"
    detail = "This API key does not have the scope for this."


class CrossSite(Exception):
    """A browser's session without the token that shows that our own page sent the request."""

    code = "csrf_failed"
    detail = "The request did not come from our own page. Reload it and try again."


def identify(request: HttpRequest, slug: str, scope: str) -> Actor:
    """Raises `Http404` for a stranger: to them the tenant does not exist."""
    header = request.headers.get("Authorization", "")
    if header:
        kind, _, text = header.partition(" ")
        actor = actor_for_key(text.strip(), slug) if kind.lower() == "bearer" else None
        if actor is None:
            raise NotSignedIn
        if scope not in actor.scopes:
            raise ScopeMissing
        return actor
    if not request.user.is_authenticated:
        raise NotSignedIn
    if request.method not in SAFE and CsrfViewMiddleware(lambda _: None).process_view(request, None, (), {}):  # type: ignore[arg-type, return-value]
        raise CrossSite
    found = actor_for(request.user, slug)
    if found is None:
        raise Http404
    return found


def actor_of(request: HttpRequest) -> Actor:
    """Who asks, within an endpoint under `scoped` or `identified`."""
    return cast(Actor, request.actor)  # type: ignore[attr-defined]


def scoped(scope: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """For synchronous endpoints with a `tenant` in their path: one short transaction for each."""

    def decorate(view: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(view)
        def endpoint(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            actor = identify(request, kwargs["tenant"], scope)
            request.actor = actor  # type: ignore[attr-defined]
            with tenant_scope(actor.tenant_id):
                return view(request, *args, **kwargs)

        return _with_signature(endpoint, view)

    return decorate


def identified(scope: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """For asynchronous endpoints, which open scopes of their own around each database step."""

    def decorate(view: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(view)
        async def endpoint(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            request.actor = await in_database(identify, request, kwargs["tenant"], scope)  # type: ignore[attr-defined]
            return await view(request, *args, **kwargs)

        return _with_signature(endpoint, view)

    return decorate


def _with_signature(endpoint: Callable[..., Any], view: Callable[..., Any]) -> Callable[..., Any]:
    """Ninja reads the parameters from the signature, and would look names up in this module."""
    endpoint.__signature__ = inspect.signature(view, eval_str=True)  # type: ignore[attr-defined]
    return endpoint
