"""Which version of a document an address asks for."""

from __future__ import annotations

import uuid

from django.http import Http404

from accounts.permissions import Actor
from knowledge.models import Document, DocumentVersion


def readable(actor: Actor, document_id: uuid.UUID) -> Document:
    """The document, for whom may read it and once it has a text; 404 for others."""
    found: Document | None = (
        Document.objects.visible_to(actor).filter(pk=document_id).select_related("current_version").first()
    )
    if found is None or found.current_version is None:
        raise Http404
    return found


def version_of(document: Document, wanted: str) -> DocumentVersion:
    """A version by number or id; the current one when none is asked for. 404 for one that is not there."""
    if not wanted:
        assert document.current_version is not None
        return document.current_version
    counted = number(wanted)
    by = {"number": counted} if counted else {"pk": _uuid(wanted)}
    version: DocumentVersion | None = DocumentVersion.objects.filter(document=document, **by).first()
    if version is None:
        raise Http404
    return version


def number(text: str | None) -> int:
    """A whole number of an address; 0 for anything else."""
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 10 else 0


def _uuid(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError:
        raise Http404 from None
