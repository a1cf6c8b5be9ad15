"""The books of a source: who works on it, what a pass has listed and dealt with, and how it ended. Call
everything within `tenant_scope`."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from django.db.models import F, Q
from django.db.models.functions import Coalesce
from django.utils import timezone

from knowledge import indexing
from knowledge.models import Document, Source, SourceItem, SourceState, State, Visibility
from knowledge.sources.errors import SourceEmpty
from knowledge.sources.types import Cursor, Left, Link, Step, Taken, Waiting, Why, Work

LEASE = timedelta(minutes=5)  # no step takes nearly as long
TOGETHER = 20
FIRST_RETRY, LAST_RETRY = timedelta(minutes=5), timedelta(days=1)

_UNLEASED: dict[str, None] = {"lease": None, "lease_until": None}


class LeaseLost(Exception):
    """Another worker has the source, or somebody changed or deleted it: nothing was saved."""


def due(now: datetime) -> Q:
    """Sources whose time has come, and those whose worker died."""
    abandoned = Q(state=SourceState.SYNCING, lease_until__lt=now)
    return abandoned | (Q(next_sync_at__lte=now) & ~Q(state=SourceState.SYNCING))


def ask_for_sync(source: Source) -> None:
    """At the next sweep, unless a worker is at it."""
    Source.objects.filter(pk=source.pk).update(next_sync_at=timezone.now(), failures=0)


def retire(source: Source) -> int:
    """Ends the synchronising and takes all its articles out of search; says how many. Their versions stay:
    old answers cite them."""
    documents = Document.objects.filter(source=source).exclude(error_code="source_gone")
    for document in documents:
        indexing.remove(document)
    SourceItem.objects.filter(source=source).delete()
    Source.objects.filter(pk=source.pk).update(
        interval=0, next_sync_at=None, sync_cursor=None, state=SourceState.IDLE, error_code="", **_UNLEASED
    )
    return len(documents)


def take(source_id: object) -> Source | None:
    """The source with a fresh lease, if it is due and nobody else has it (R3)."""
    now = timezone.now()
    source: Source | None = Source.objects.select_for_update(skip_locked=True).filter(due(now), pk=source_id).first()
    if source is None:
        return None
    source.state, source.lease, source.lease_until = SourceState.SYNCING, uuid.uuid4(), now + LEASE
    source.save(update_fields=["state", "lease", "lease_until"])
    return source


def work(source: Source) -> Work:
    """Some of what waits, nearest to the start first."""
    listed = SourceItem.objects.filter(source=source, listed_pass=source.sync_pass)
    rows = list(listed.filter(done_pass__lt=source.sync_pass).order_by("depth", "id")[:TOGETHER])
    names = [row.external_id for row in rows]
    known = Document.objects.filter(source=source, external_id__in=names).exclude(current_version=None)
    held = set(known.exclude(state=State.FAILED).values_list("external_id", flat=True))
    waiting = [
        Waiting(row.external_id, row.depth, row.preferred, row.etag, row.modified, row.external_id in held)
        for row in rows
    ]
    return Work(waiting, listed.count())


def open_pass(source: Source, cursor: Cursor) -> None:
    source.sync_pass, source.sync_cursor = source.sync_pass + 1, cursor
    _save(source, sync_pass=source.sync_pass, sync_cursor=cursor)


def save_step(source: Source, step: Step) -> None:
    """All of the step or, where the lease is lost, none of it. Raises `LeaseLost`."""
    _save(source, sync_cursor=step.cursor, lease_until=timezone.now() + LEASE)
    source.sync_cursor = step.cursor
    if step.relist:
        known = SourceItem.objects.filter(source=source, listed_pass=source.sync_pass - 1)
        known.update(listed_pass=source.sync_pass)
    _list(source, step.links)
    for taken in step.taken:
        _take_in(source, taken)
    for left in step.left:
        _leave(source, left)


def close_pass(source: Source, *, grace: timedelta) -> None:
    """Marks what is missing, takes out of search what has been missing for longer than the grace, and plans
    the next pass. Raises `SourceEmpty` where all would go."""
    now, items = timezone.now(), SourceItem.objects.filter(source=source)
    unlisted = items.filter(listed_pass__lt=source.sync_pass)
    if unlisted.exists() and not items.filter(listed_pass=source.sync_pass).exists():
        raise SourceEmpty
    unlisted.filter(missing_since=None).update(missing_since=now)
    gone = list(items.filter(missing_since__lte=now - grace).values_list("external_id", flat=True))
    for document in Document.objects.filter(source=source, external_id__in=gone).exclude(error_code="source_gone"):
        indexing.remove(document)
    items.filter(external_id__in=gone).delete()
    _save(
        source,
        state=SourceState.IDLE,
        sync_cursor=None,
        last_synced_at=now,
        next_sync_at=now + timedelta(minutes=source.interval) if source.interval else None,
        error_code="",
        error_hint="",
        failing_since=None,
        failures=0,
        **_UNLEASED,
    )


def pause(source: Source, *, seconds: float = 0.0) -> None:
    """Gives the source back in the middle of a pass, to be gone on with after so many seconds."""
    until = timezone.now() + timedelta(seconds=seconds)
    _save(source, state=SourceState.PAUSED, next_sync_at=until, sync_cursor=source.sync_cursor, **_UNLEASED)


def fail(source: Source, code: str, hint: str) -> None:
    """Says so, and since when. Nothing is removed; the pass is given up, and one begins anew after a wait
    that doubles, up to a day."""
    now = timezone.now()
    wait = min(FIRST_RETRY * 2 ** min(source.failures, 10), LAST_RETRY)
    _save(
        source,
        state=SourceState.FAILING,
        error_code=code,
        error_hint=hint[:500],
        failing_since=source.failing_since or now,
        failures=source.failures + 1,
        sync_cursor=None,
        next_sync_at=now + wait if source.interval else None,
        **_UNLEASED,
    )


def _save(source: Source, **values: object) -> None:
    if not Source.objects.filter(pk=source.pk, lease=source.lease).update(**values):
        raise LeaseLost


def _list(source: Source, links: Sequence[Link]) -> None:
    unique: dict[str, Link] = {}
    for link in links:
        unique.setdefault(link.item, link)
    rows = SourceItem.objects.select_for_update().filter(source=source, external_id__in=unique)
    known = {row.external_id: row for row in rows}
    for item, link in unique.items():
        row = known.get(item)
        if row is None:
            continue
        again = link.preferred and not row.preferred and row.done_pass == source.sync_pass
        row.done_pass = 0 if again else row.done_pass
        row.depth = link.depth if row.listed_pass < source.sync_pass else min(row.depth, link.depth)
        row.preferred = link.preferred or (row.preferred and row.listed_pass == source.sync_pass)
        row.listed_pass = source.sync_pass
        row.save(update_fields=["done_pass", "depth", "preferred", "listed_pass"])
    SourceItem.objects.bulk_create(
        SourceItem(
            tenant_id=source.tenant_id,
            source=source,
            external_id=link.item,
            depth=link.depth,
            preferred=link.preferred,
            listed_pass=source.sync_pass,
        )
        for link in unique.values()
        if link.item not in known
    )


def _take_in(source: Source, taken: Taken) -> None:
    given = taken.incoming.visibility or source.visibility
    visibility = max(given, source.visibility, key=lambda each: Visibility(each).strictness)
    indexing.accept(source, replace(taken.incoming, visibility=visibility))
    SourceItem.objects.update_or_create(
        source=source,
        external_id=taken.item,
        defaults={
            "tenant_id": source.tenant_id,
            "listed_pass": source.sync_pass,
            "done_pass": source.sync_pass,
            "etag": taken.etag,
            "modified": taken.modified,
            "missing_since": None,
            "error_code": "",
        },
    )


def _leave(source: Source, left: Left) -> None:
    values: dict[str, object] = {"done_pass": source.sync_pass, "error_code": left.code[:50]}
    if left.why is Why.UNCHANGED:
        values["missing_since"] = None
    elif left.why is not Why.FAILED:
        values |= {"missing_since": Coalesce(F("missing_since"), timezone.now()), "etag": "", "modified": ""}
    SourceItem.objects.filter(source=source, external_id=left.item).update(**values)
