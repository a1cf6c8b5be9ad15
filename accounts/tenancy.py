"""Whose rows this code may see. Twice over: a scoped queryset, and row-level security below it.

`tenant_scope` opens a transaction and sets the tenants in it (`set_config(…, is_local => true)`),
so that nothing outlives the transaction: a pooled connection never carries a tenant (T6), and with
no scope there are no rows (T7). A scope names a set, usually of one: an operator reads the audit
log of several tenants at once.

Keep scopes short: never hold one open across a call to a model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from typing import ParamSpec, TypeVar

from asgiref.sync import sync_to_async
from django.db import close_old_connections, connection, transaction

P = ParamSpec("P")
T = TypeVar("T")

TENANTS, USER, KEY = "citedesk.tenant_ids", "citedesk.user_id", "citedesk.api_key"

_tenants: ContextVar[tuple[int, ...]] = ContextVar("citedesk_tenants", default=())
_threads = ThreadPoolExecutor(max_workers=16, thread_name_prefix="citedesk-db")


def current_tenants() -> tuple[int, ...]:
    """The tenants of the innermost scope; empty outside of any."""
    return _tenants.get()


@contextmanager
def tenant_scope(*tenant_ids: int) -> Iterator[None]:
    """A transaction that sees and writes rows of these tenants alone."""
    with _setting(TENANTS, "{" + ",".join(str(int(each)) for each in tenant_ids) + "}"):
        token = _tenants.set(tenant_ids)
        try:
            yield
        finally:
            _tenants.reset(token)


@contextmanager
def identity_scope(user_id: int) -> Iterator[None]:
    """A transaction that also sees this user's own memberships, whatever the tenant."""
    with _setting(USER, str(int(user_id))):
        yield


@contextmanager
def key_scope(prefix: str) -> Iterator[None]:
    """A transaction that also sees the one API key with this prefix, whatever the tenant."""
    with _setting(KEY, prefix):
        yield


@contextmanager
def _setting(name: str, value: str) -> Iterator[None]:
    if not connection.in_atomic_block:
        with transaction.atomic():  # whose end takes the value away: nothing to remember, nothing to put back
            with connection.cursor() as cursor:
                cursor.execute("SELECT set_config(%s, %s, true)", [name, value])
            yield
        return
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_setting(%s, true)", [name])
            before = (cursor.fetchone() or [""])[0] or ""
            cursor.execute("SELECT set_config(%s, %s, true)", [name, value])
        yield
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config(%s, %s, true)", [name, before])


async def in_tenant(tenant_id: int, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Runs `work` in a database thread within `tenant_scope(tenant_id)`; for asynchronous code."""
    return await in_database(_scoped, tenant_id, work, *args, **kwargs)


async def in_database(work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Runs `work` in a database thread and gives its connection back to the pool afterwards."""
    return await sync_to_async(_releasing, thread_sensitive=False, executor=_threads)(work, *args, **kwargs)


def _scoped(tenant_id: int, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    with tenant_scope(tenant_id):
        return work(*args, **kwargs)


def _releasing(work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    try:
        return work(*args, **kwargs)
    finally:
        close_old_connections()
