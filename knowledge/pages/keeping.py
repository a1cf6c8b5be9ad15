"""Which files are kept for the sake of their pages, and for how long.

A PDF's bytes move from the row that waits for conversion to an `Original` in the transaction that makes the
version, so they are there once. The current version's stays as long as its document; that of a version
that was replaced goes `days` after it was made, and its citations are then shown in the text.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from django.utils import timezone

from knowledge.converters.formats import is_pdf
from knowledge.models import Document, DocumentVersion, StoredFile
from knowledge.pages.models import Original, PagePicture

PICTURES_KEPT = timedelta(days=30)


def keep(documents: Sequence[Document]) -> dict[UUID, int]:
    """The originals' ids of those that are PDFs, by document. Call in the transaction that makes the versions,
    with the files as they were converted."""
    files = {document.pk: document.file for document in documents if is_pdf(bytes(document.file.data))}
    made = [
        Original(tenant_id=file.tenant_id, document_id=pk, sha256=file.sha256, name=file.name, data=bytes(file.data))
        for pk, file in files.items()
    ]
    Original.objects.bulk_create(made, ignore_conflicts=True)
    StoredFile.objects.filter(document__in=files).update(data=b"")
    kept = Original.objects.filter(document__in=files).values_list("document", "sha256", "pk")
    return {document: pk for document, sha256, pk in kept if sha256 == files[document].sha256}


def refill(documents: Sequence[Document]) -> None:
    """Gives the files that have moved their bytes back, in memory, so that they can be converted again."""
    moved = {(document.pk, document.file.sha256): document.file for document in documents if not document.file.data}
    of_documents, contents = {pk for pk, _ in moved}, {sha256 for _, sha256 in moved}
    for original in Original.objects.filter(document__in=of_documents, sha256__in=contents):
        file = moved.get((original.document_id, original.sha256))
        if file is not None:
            file.data = original.data


def forget(days: int) -> None:
    """Of the current tenants, the originals of versions that were replaced and are older than `days` (0 keeps
    them for good), and pictures that have had their time, which are drawn again when they are wanted."""
    now = timezone.now()
    PagePicture.objects.filter(created_at__lt=now - PICTURES_KEPT).delete()
    if days:
        current = DocumentVersion.objects.filter(pk__in=Document.objects.values("current_version"))
        in_use = current.exclude(original=None).values("original")
        Original.objects.filter(created_at__lt=now - timedelta(days=days)).exclude(pk__in=in_use).delete()
