"""Ingestion in the background. Tasks take an id and may run twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from celery import shared_task
from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from accounts.models import Tenant
from accounts.tenancy import tenant_scope
from knowledge import indexing, pushing, swapping
from knowledge.errors import KnowledgeError
from knowledge.models import Document, Source, State
from knowledge.pages import keeping
from knowledge.sources import ledger, registry, syncing


@dataclass(frozen=True)
class Batch:
    """Documents that are indexed together, between their lease and their storage. `states` is by
    id, in the order they were asked for; `ready` are those that were leased and converted."""

    tenant_id: int
    states: dict[str, str]
    ready: list[tuple[Document, swapping.Prepared]]


def index_document(tenant_id: int, document_id: str) -> str:
    """Converts, embeds and swaps one waiting document; returns the state it ends in."""
    return index_documents(tenant_id, [document_id])[0]


def index_documents(tenant_id: int, document_ids: Sequence[str], *, rolls_back: bool = False) -> list[str]:
    """The same for several: their passages are embedded in one call, in which texts of one length
    meet, so that little is spent on padding. One that fails stops none of the others. The slow
    steps run outside of any transaction; at most as many as are done well within `LEASE`."""
    batch = begin(tenant_id, document_ids)
    return finish(batch, embed(batch, rolls_back=rolls_back))


def begin(tenant_id: int, document_ids: Sequence[str]) -> Batch:
    """Takes the leases and converts."""
    batch = Batch(tenant_id, dict.fromkeys(document_ids, "skipped"), [])
    with tenant_scope(tenant_id):
        leased = indexing.take_leases(document_ids)
    for document in leased:
        try:
            batch.ready.append((document, indexing.prepare(document)))
        except KnowledgeError as error:
            batch.states[str(document.pk)] = State.FAILED
            with tenant_scope(tenant_id):
                indexing.fail(document, error)
    return batch


def embed(batch: Batch, *, rolls_back: bool = False) -> dict[str, str]:
    """The vectors of all its passages, as text, by digest."""
    with tenant_scope(batch.tenant_id):
        known = indexing.known_embeddings(batch.ready)
    return indexing.embed_missing(batch.ready, known, indexing.embedder(batch.tenant_id, rolls_back=rolls_back))


def finish(batch: Batch, vectors: dict[str, str]) -> list[str]:
    """Swaps the versions of those whose lease still holds, in one transaction; returns the states."""
    with tenant_scope(batch.tenant_id):
        versions = swapping.swap(batch.ready, vectors)
    batch.states.update({str(version.document_id): State.INDEXED for version in versions})
    return list(batch.states.values())


@shared_task(name="knowledge.index")
def index(tenant_id: int, document_id: str) -> None:
    index_document(tenant_id, document_id)


@shared_task(name="knowledge.sweep")
def sweep() -> None:
    """Queues every document that waits, or whose worker died with the lease (R1, R2)."""
    for tenant_id in Tenant.objects.filter(suspended_at=None).values_list("pk", flat=True):
        with tenant_scope(tenant_id):
            stale = Q(state=State.PENDING) | Q(state=State.INDEXING, lease_until__lt=timezone.now())
            waiting = list(Document.objects.filter(stale).values_list("pk", flat=True)[:1000])
        for document_id in waiting:
            index.delay(tenant_id, str(document_id))


@shared_task(name="knowledge.sync")
def sync(tenant_id: int, source_id: str) -> str:
    """A slice of work on one source; a source that is not done asks for its turn again."""
    ended = syncing.sync(tenant_id, source_id)
    if ended == "paused":
        sync.apply_async((tenant_id, source_id), countdown=1)
    return ended


@shared_task(name="knowledge.sweep_sources")
def sweep_sources() -> None:
    """Queues every source whose time has come, or whose worker died with the lease."""
    for tenant_id in Tenant.objects.filter(suspended_at=None).values_list("pk", flat=True):
        with tenant_scope(tenant_id):
            rows = Source.objects.filter(ledger.due(timezone.now()), kind__in=registry.ADAPTERS)
            waiting = list(rows.values_list("pk", flat=True))
            pushing.forget_keys()
        for source_id in waiting:
            sync.delay(tenant_id, str(source_id))


@shared_task(name="knowledge.forget_pages")
def forget_pages() -> None:
    """Lets go of originals and pictures that have had their time."""
    for tenant_id in Tenant.objects.values_list("pk", flat=True):
        with tenant_scope(tenant_id):
            keeping.forget(settings.ORIGINALS_DAYS)
