"""Files that people hand in: what is taken, and how far each is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from knowledge.converters.formats import detect_format
from knowledge.errors import DocumentTooLarge, KnowledgeError
from knowledge.indexing import MAX_BYTES, Incoming, accept
from knowledge.models import Document, Kind, Source, State, Visibility

SOURCE = "Uploads"
MAX_NAME = 200


@dataclass(frozen=True)
class Upload:
    """One file as the page shows it. `document` is empty for a file that was not taken."""

    name: str
    state: str
    document: str = ""
    code: str = ""
    hint: str = ""

    @property
    def label(self) -> str:
        return STATES[State(self.state)]()

    @property
    def finished(self) -> bool:
        return self.state in (State.INDEXED, State.FAILED)

    def as_json(self) -> dict[str, Any]:
        shown = {"document": self.document, "name": self.name, "state": self.state, "label": self.label}
        return {**shown, "code": self.code, "hint": self.hint, "finished": self.finished}


STATES = {
    State.PENDING: lambda: _("Waiting"),
    State.INDEXING: lambda: _("Being read"),
    State.INDEXED: lambda: _("Searchable"),
    State.FAILED: lambda: _("Not taken in"),
}


def hand_in(tenant_id: int, name: str, data: bytes, *, visibility: Visibility) -> Upload:
    """Takes a file, which then waits to be indexed. A file of the same name is a new version of it. What is
    no document by its first bytes is refused at once. Call within `tenant_scope`."""
    shown = _plain_name(name)
    try:
        if len(data) > MAX_BYTES:
            raise DocumentTooLarge(f"{len(data):,} bytes; the limit is {MAX_BYTES:,}")
        detect_format(data, name=shown)
    except KnowledgeError as error:
        return Upload(shown, State.FAILED, code=error.code, hint=error.hint)
    source, _made = Source.objects.get_or_create(tenant_id=tenant_id, name=SOURCE, defaults={"kind": Kind.FILES})
    document = accept(source, Incoming(shown, shown, data, visibility=visibility))
    if document is None:
        document = Document.objects.get(source=source, external_id=shown)
    else:
        transaction.on_commit(lambda: _enqueue(tenant_id, str(document.pk)), robust=True)
    return _upload(document)


def latest(count: int) -> list[Upload]:
    """The files that were handed in last, newest first."""
    rows = Document.objects.filter(source__name=SOURCE).exclude(error_code="source_gone")
    return [_upload(row) for row in rows.order_by("-updated_at")[:count]]


def progress(document_ids: Sequence[UUID]) -> list[Upload]:
    """How far these are; what is not there is left out."""
    return [_upload(row) for row in Document.objects.filter(pk__in=document_ids)]


def _upload(document: Document) -> Upload:
    failed = document.state == State.FAILED
    code, hint = (document.error_code, document.error_hint) if failed else ("", "")
    return Upload(document.external_id, document.state, str(document.pk), code, hint)


def _plain_name(name: str) -> str:
    """The file's own name, whatever folders or control characters a browser sent with it (F4)."""
    last = PurePosixPath(name.replace("\\", "/")).name
    return "".join(character for character in last if character.isprintable())[-MAX_NAME:].strip() or "file"


def _enqueue(tenant_id: int, document_id: str) -> None:
    from knowledge.tasks import index

    index.apply_async((tenant_id, document_id), retry=False)
