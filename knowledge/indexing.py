"""From bytes to searchable passages. Each step can be run twice; `swapping` has the last one."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from django.db.models import Q
from django.utils import timezone

from gateway import client
from gateway.types import Caller
from knowledge import corpus
from knowledge.conversion import convert
from knowledge.errors import ConverterBroke, KnowledgeError
from knowledge.models import LEASE, Document, Passage, Source, State, StoredFile, Visibility
from knowledge.pages import keeping
from knowledge.splitter import split
from knowledge.swapping import Prepared, as_text, digest_of, remove_passages
from knowledge.types import Chunk

logger = logging.getLogger(__name__)

MAX_BYTES = 20_000_000

Embed = Callable[[Sequence[str]], list[list[float]]]


@dataclass(frozen=True)
class Incoming:
    """A file on its way in. Empty fields are taken from the file itself. Texts lose their NULs, which
    PostgreSQL cannot keep."""

    external_id: str
    name: str
    data: bytes
    title: str = ""
    url: str = ""
    visibility: str = ""

    def __post_init__(self) -> None:
        for name in ("external_id", "name", "title", "url"):
            object.__setattr__(self, name, getattr(self, name).replace("\x00", ""))


def accept(source: Source, incoming: Incoming) -> Document | None:
    """Saves the file as a pending document, or returns None where nothing changed; as `accept_all`."""
    return next(iter(accept_all(source, [incoming])), None)


def accept_all(source: Source, items: Sequence[Incoming]) -> list[Document]:
    """Saves the files as pending documents and returns these, those left out where nothing changed. Of
    several with one identity the last counts. Call within `tenant_scope`. The row's state is the outbox:
    whatever happens to the broker's message, `sweep` finds the row (R2)."""
    wanted = {item.external_id: (item, hashlib.sha256(item.data).hexdigest()) for item in items}
    for known in _unchanged(source, wanted):
        del wanted[known]
    rows = Document.objects.select_for_update().filter(source=source, external_id__in=wanted).order_by("pk")
    documents = {document.external_id: document for document in rows} if wanted else {}
    new, files = [], []
    for item, digest in wanted.values():
        document = documents.get(item.external_id)
        content = {
            "name": item.name,
            "title": item.title[:500],
            "visibility": item.visibility,
            "data": item.data,
            "sha256": digest,
        }
        if document is None:
            document = Document(tenant_id=source.tenant_id, source=source, external_id=item.external_id)
            documents[item.external_id] = document
            _await(document, item)
            new.append(document)
            files.append(StoredFile(tenant_id=source.tenant_id, document=document, **content))
        else:
            _await(document, item)
            document.save()
            StoredFile.objects.filter(document=document).update(**content)
    Document.objects.bulk_create(new)
    StoredFile.objects.bulk_create(files)
    return [documents[name] for name in wanted]


def _unchanged(source: Source, wanted: Mapping[str, tuple[Incoming, str]]) -> list[str]:
    """Those that are searchable as they come, told by the digest: nothing is read but that."""
    rows = Document.objects.filter(source=source, external_id__in=wanted, state=State.INDEXED)
    found = rows.values_list("external_id", "file__sha256", "file__title", "file__visibility", "url")
    return [name for name, *known in found if known == _described(*wanted[name], url=known[-1])]


def _described(item: Incoming, digest: str, *, url: str) -> list[str]:
    return [digest, item.title[:500], item.visibility, item.url or url]


def _await(document: Document, item: Incoming) -> None:
    document.title = item.title or document.title or item.name
    document.url = item.url or document.url
    document.visibility = item.visibility or document.visibility
    document.state, document.error_code, document.error_hint, document.lease_until = State.PENDING, "", "", None


def take_leases(document_ids: Sequence[str]) -> list[Document]:
    """Those of the documents that wait and that nobody else works on (R3), with their files. Call
    within `tenant_scope`."""
    now = timezone.now()
    waiting = Q(state=State.PENDING) | Q(state=State.INDEXING, lease_until=None)
    waiting |= Q(state=State.INDEXING, lease_until__lt=now)
    rows = Document.objects.select_for_update(skip_locked=True, of=("self",)).select_related("file", "source")
    leased = list(rows.filter(waiting, pk__in=document_ids).order_by("external_id"))
    Document.objects.filter(pk__in=[document.pk for document in leased]).update(
        state=State.INDEXING, lease_until=now + LEASE, updated_at=now
    )
    for document in leased:
        document.state, document.lease_until = State.INDEXING, now + LEASE
    keeping.refill(leased)
    return leased


def prepare(document: Document) -> Prepared:
    """Converts the stored file and splits its text; the database is not used. Raises `KnowledgeError`.

    Here is the boundary to the parsers of foreign bytes: whatever else they raise is a fault of ours
    or theirs that this one document has brought to light, and must stop no other.
    """
    try:
        file = document.file
        owner = str(document.tenant_id)
        converted = convert(bytes(file.data), name=file.name, media_type=file.media_type, owner=owner)
        title = (document.file.title or converted.title)[:500]
        heading = title if document.file.title or _speaks(title) else ""
        chunks = tuple((chunk, _embedded(heading, chunk)) for chunk in split(converted))
    except KnowledgeError:
        raise
    except Exception as error:
        logger.exception("the converter broke on document %s", document.pk)
        raise ConverterBroke(type(error).__name__) from error
    return Prepared(converted, title, heading, chunks)


def _speaks(title: str) -> bool:
    """Whether a title, which may come from a file's name, is made of words and not of numbers."""
    return sum(character.isalpha() for character in title) * 2 > len(title.replace(" ", ""))


def _embedded(heading: str, chunk: Chunk) -> str:
    path = " › ".join(filter(None, [heading, *chunk.heading_path]))
    return f"{path}\n{chunk.text}" if path else chunk.text


def known_embeddings(ready: Sequence[tuple[Document, Prepared]]) -> dict[str, str]:
    """Vectors, as text, that these documents' passages have already, by digest of what was
    embedded: only passages that changed are embedded again."""
    digests = {digest_of(text) for _, prepared in ready for text in prepared.texts}
    rows = Passage.objects.filter(document__in=[document for document, _ in ready], embedded_sha256__in=digests)
    return {digest: str(vector) for digest, vector in rows.values_list("embedded_sha256", "embedding")}


def embed_missing(ready: Sequence[tuple[Document, Prepared]], known: dict[str, str], embed: Embed) -> dict[str, str]:
    """`known` and the vectors of all other chunks, as text."""
    missing = {digest_of(text): text for _, prepared in ready for text in prepared.texts}
    missing = {digest: text for digest, text in missing.items() if digest not in known}
    vectors = embed(list(missing.values())) if missing else []
    return known | {digest: as_text(vector) for digest, vector in zip(missing, vectors, strict=True)}


def fail(document: Document, error: KnowledgeError) -> None:
    """Records why; the last good version stays searchable."""
    document.state, document.lease_until = State.FAILED, None
    document.error_code, document.error_hint = error.code, error.hint[:500]
    document.save(update_fields=["state", "lease_until", "error_code", "error_hint", "updated_at"])


def embedder(tenant_id: int, *, rolls_back: bool = False) -> Embed:
    """Embeds passages through the gateway on this tenant's account."""
    caller = Caller(tenant_id=tenant_id, purpose="index")
    return lambda texts: client.embed_sync(caller, texts, rolls_back=rolls_back)


def remove(document: Document) -> None:
    """Takes a vanished document out of search. Its versions stay: old answers cite them."""
    document.corpus = corpus.advance(document.tenant_id)
    remove_passages([document.pk])
    document.state, document.visibility = State.FAILED, Visibility.INTERNAL
    document.error_code, document.error_hint = "source_gone", "The source no longer has it."
    document.save(update_fields=["state", "visibility", "error_code", "error_hint", "corpus", "updated_at"])
