"""Ingestion in the background. Tasks take an id and may run twice."""

from __future__ import annotations

from collections.abc import Sequence

from celery import shared_task
from django.db.models import Q
from django.utils import timezone

from accounts.models import Tenant
from accounts.tenancy import tenant_scope
from knowledge import indexing
from knowledge.errors import KnowledgeError
from knowledge.models import Document, State


def index_document(tenant_id: int, document_id: str) -> str:
    """Converts, embeds and swaps one waiting document; returns the state it ends in."""
    return index_documents(tenant_id, [document_id])[0]


def index_documents(tenant_id: int, document_ids: Sequence[str], *, rolls_back: bool = False) -> list[str]:
    """The same for several: their passages are embedded in one call, in which texts of one length
    meet, so that little is spent on padding. One that fails stops none of the others. The slow
    steps run outside of any transaction; at most as many as are done well within `LEASE`."""
    states = dict.fromkeys(document_ids, "skipped")
    ready: list[tuple[Document, indexing.Prepared]] = []
    for document_id in document_ids:
        with tenant_scope(tenant_id):
            document = indexing.take_lease(document_id)
            if document is None:
                continue
            document.file  # noqa: B018  loads the bytes while the tenant is set
        try:
            prepared = indexing.prepare(document)
        except KnowledgeError as error:
            states[document_id] = State.FAILED
            with tenant_scope(tenant_id):
                indexing.fail(document, error)
            continue
        ready.append((document, prepared))
    with tenant_scope(tenant_id):
        known = indexing.known_embeddings(ready)
    vectors = indexing.embed_missing(ready, known, indexing.embedder(tenant_id, rolls_back=rolls_back))
    for document, prepared in ready:
        with tenant_scope(tenant_id):
            indexing.swap(document, prepared, vectors)
        states[str(document.pk)] = State.INDEXED
    return [states[document_id] for document_id in document_ids]


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
