"""Follows a source: one piece of work at a time, each saved before the next, so that a worker may die
anywhere and another goes on (R1), and a long crawl never keeps a worker from other work."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any

from django.conf import settings as project
from django.core.cache import cache

from accounts.tenancy import tenant_scope
from knowledge.fetching.errors import FetchError
from knowledge.fetching.fetch import Fetched, Fetcher
from knowledge.fetching.policy import FetchPolicy
from knowledge.fetching.url import Target
from knowledge.models import Source
from knowledge.sources import credentials, ledger
from knowledge.sources.errors import SourceError, SourceUnavailable, Wait
from knowledge.sources.registry import ADAPTERS, settings_of
from knowledge.sources.types import Adapter, Session, Step

SLICE = 20.0  # seconds of work before the source is given back and asks for its turn again
MOST_WAITS = 20  # times in a row that a server may ask to wait before that is a fault
KEPT = 3600  # seconds that a robots.txt is believed

Sleep = Callable[[float], None]


def sync(
    tenant_id: int,
    source_id: str,
    *,
    seconds: float = SLICE,
    policy: FetchPolicy | None = None,
    sleep: Sleep = time.sleep,
) -> str:
    """A slice of a pass over the source, if it is due and free. Returns what became of it: `skipped`,
    `synced`, `paused`, `failing` or `lost`. May run twice, and in two workers: one works."""
    with tenant_scope(tenant_id):
        source = ledger.take(source_id)
    if source is None:
        return "skipped"
    try:
        return _worked(source, time.monotonic() + seconds, policy or project.FETCHING, sleep)
    except (SourceError, FetchError) as error:
        detail = f"{error.hint} ({error.detail})" if error.detail else error.hint
        with tenant_scope(tenant_id), suppress(ledger.LeaseLost):
            ledger.fail(source, error.code, detail)
        return "failing"
    except ledger.LeaseLost:
        return "lost"


def _worked(source: Source, until: float, policy: FetchPolicy, sleep: Sleep) -> str:
    typed, adapter = settings_of(source.kind, source.settings), ADAPTERS[source.kind]
    with Fetcher(policy) as fetcher:
        session = _session(source, typed, adapter, fetcher, sleep)
        if source.sync_cursor is None:
            with tenant_scope(source.tenant_id):
                ledger.open_pass(source, adapter.begin(typed))
        while True:
            try:
                step = _step(source, adapter, session)
            except Wait as wait:
                return _waited(source, wait)
            if step.done:
                with tenant_scope(source.tenant_id):
                    ledger.close_pass(source, grace=timedelta(hours=typed.grace_hours))
                return "synced"
            if time.monotonic() >= until:
                with tenant_scope(source.tenant_id):
                    ledger.pause(source)
                return "paused"


def _step(source: Source, adapter: Adapter, session: Session) -> Step:
    """The network is waited for outside of any transaction."""
    with tenant_scope(source.tenant_id):
        work = ledger.work(source)
    cursor = {name: value for name, value in (source.sync_cursor or {}).items() if name != "waits"}
    step = adapter.step(session, cursor, work)
    with tenant_scope(source.tenant_id):
        ledger.save_step(source, step)
    return step


def _waited(source: Source, wait: Wait) -> str:
    cursor = source.sync_cursor or {}
    waits = int(cursor.get("waits", 0)) + 1
    if waits > MOST_WAITS:
        raise SourceUnavailable(f"asked us to wait {waits} times in a row")
    source.sync_cursor = {**cursor, "waits": waits}
    with tenant_scope(source.tenant_id):
        ledger.pause(source, seconds=wait.seconds)
    return "paused"


def _session(source: Source, typed: Any, adapter: Adapter, fetcher: Fetcher, sleep: Sleep) -> Session:
    between, last = adapter.pace(typed), float("-inf")

    def get(target: str | Target, *, headers: Mapping[str, str] | None = None, pace: float = 0.0) -> Fetched:
        nonlocal last
        early = last + max(between, pace) - time.monotonic()
        if early > 0:
            sleep(early)
        last = time.monotonic()
        return fetcher.get(target, headers=headers)

    place = f"source {source.pk} {source.sync_pass}"
    return Session(
        settings=typed,
        secret=credentials.unseal(source),
        policy=fetcher.policy,
        get=get,
        keep=lambda name, text: cache.set(_key(place, name), text, KEPT),
        kept=lambda name: cache.get(_key(place, name)),
    )


def _key(place: str, name: str) -> str:
    return hashlib.sha256(f"{place} {name}".encode()).hexdigest()
