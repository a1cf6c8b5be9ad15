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

from knowledge.converters.formats import Format, detect_format
from knowledge.errors import KnowledgeError
from knowledge.models import Document, DocumentVersion, StoredFile
from knowledge.pages.models import Original, PagePicture

PICTURES_KEPT = timedelta(days=30)


def keep(documents: Sequence[Document]) -> dict[UUID, Original]:
    """The originals of those that are PDFs, by document. Call in the transaction that makes the versions, with
    the files as they were converted."""
    kept = {}
    for document in documents:
        file = document.file
        if not _is_pdf(bytes(file.data), file.name):
            continue
        kept[document.pk], _made = Original.objects.get_or_create(
            tenant_id=document.tenant_id,
            document=document,
            sha256=file.sha256,
            defaults={"name": file.name, "data": bytes(file.data)},
        )
    StoredFile.objects.filter(document__in=kept).update(data=b"")
    return kept


def refill(documents: Sequence[Document]) -> None:
    """Gives the files that have moved their bytes back, in memory, so that they can be converted again."""
    for document in documents:
        if document.file.data:
            continue
        original = Original.objects.filter(document=document, sha256=document.file.sha256).first()
        if original is not None:
            document.file.data = original.data


def forget(days: int) -> None:
    """Of the current tenants, the originals of versions that were replaced and are older than `days` (0 keeps
    them for good), and pictures that have had their time, which are drawn again when they are wanted."""
    now = timezone.now()
    PagePicture.objects.filter(created_at__lt=now - PICTURES_KEPT).delete()
    if days:
        current = DocumentVersion.objects.filter(pk__in=Document.objects.values("current_version"))
        in_use = current.exclude(original=None).values("original")
        Original.objects.filter(created_at__lt=now - timedelta(days=days)).exclude(pk__in=in_use).delete()


def _is_pdf(data: bytes, name: str) -> bool:
    try:
        return detect_format(data, name=name) is Format.PDF
    except KnowledgeError:
        return False
