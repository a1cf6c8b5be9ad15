"""Ingestion in the background. Tasks take an id and may run twice."""

from __future__ import annotations

from celery import shared_task
from django.db.models import Q
from django.utils import timezone

from accounts.models import Tenant
from accounts.tenancy import tenant_scope
from knowledge import indexing
from knowledge.errors import KnowledgeError
from knowledge.models import Document, State


def index_document(tenant_id: int, document_id: str, *, rolls_back: bool = False) -> str:
    """Converts, embeds and swaps one waiting document; returns the state it ends in. The slow
    steps run outside of any transaction."""
    with tenant_scope(tenant_id):
        document = indexing.take_lease(document_id)
        if document is None:
            return "skipped"
        document.file  # noqa: B018  loads the bytes while the tenant is set
    try:
        converted = indexing.read(document)
        chunks = indexing.passages_of(document, converted)
        with tenant_scope(tenant_id):
            known = indexing.known_embeddings(document, chunks)
        vectors = indexing.embed_missing(chunks, known, indexing.embedder(tenant_id, rolls_back=rolls_back))
    except KnowledgeError as error:
        with tenant_scope(tenant_id):
            indexing.fail(document, error)
        return State.FAILED
    with tenant_scope(tenant_id):
        indexing.swap(document, converted, chunks, vectors)
    return State.INDEXED


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
