"""From bytes to searchable passages. Each step can be run twice; a swap is one transaction."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone

from gateway import client
from gateway.types import Caller
from knowledge import corpus
from knowledge.converters import convert
from knowledge.errors import ConverterBroke, KnowledgeError
from knowledge.models import LEASE, Document, DocumentVersion, Passage, Source, State, StoredFile, Visibility
from knowledge.retrieval.keyword import CONFIGURATION, COUNT_TERMS, WEIGHTS
from knowledge.retrieval.language import spaced
from knowledge.splitter import split
from knowledge.types import Chunk, ConvertedDocument

logger = logging.getLogger(__name__)

MAX_BYTES = 20_000_000

INSERT_PASSAGE = f"""
    INSERT INTO knowledge_passage (tenant_id, document_id, version_id, visibility, ordinal, text, start, "end",
                                   heading_path, page, embedded_sha256, embedding, keywords, weights)
    SELECT %(tenant)s, %(document)s, %(version)s, %(visibility)s, %(ordinal)s, %(text)s, %(start)s, %(end)s,
           %(headings)s, %(page)s, %(digest)s, %(vector)s::halfvec, keywords, {WEIGHTS}
    FROM to_tsvector('{CONFIGURATION}', %(searched)s) AS keywords
"""

EMBED_DOCUMENT = """
    UPDATE knowledge_document
    SET title_embedding = %(title)s::halfvec,
        embedding = (SELECT avg(embedding) FROM knowledge_passage WHERE document_id = %(document)s)
    WHERE id = %(document)s
"""

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
    """Saves the file as a pending document, or returns None where nothing changed. Call within
    `tenant_scope`. The row's state is the outbox: whatever happens to the broker's message,
    `sweep` finds the row (R2)."""
    digest = hashlib.sha256(incoming.data).hexdigest()
    document: Document | None = (
        Document.objects.select_for_update(of=("self",))
        .select_related("file")
        .filter(source=source, external_id=incoming.external_id)
        .first()
    )
    known = document is not None
    if document is None:
        document = Document(tenant_id=source.tenant_id, source=source, external_id=incoming.external_id)
    elif (
        document.state == State.INDEXED
        and document.file.sha256 == digest
        and document.file.title == incoming.title[:500]
        and document.file.visibility == incoming.visibility
        and document.url == (incoming.url or document.url)
    ):
        return None
    document.title = incoming.title or document.title or incoming.name
    document.url = incoming.url or document.url
    document.visibility = incoming.visibility or document.visibility
    document.state, document.error_code, document.error_hint, document.lease_until = State.PENDING, "", "", None
    document.save()
    content = {
        "name": incoming.name,
        "title": incoming.title[:500],
        "visibility": incoming.visibility,
        "data": incoming.data,
        "sha256": digest,
    }
    if known:
        StoredFile.objects.filter(document=document).update(**content)
    else:
        StoredFile.objects.create(tenant_id=source.tenant_id, document=document, **content)
    return document


def take_leases(document_ids: Sequence[str]) -> list[Document]:
    """Those of the documents that wait and that nobody else works on (R3), with their files. Call
    within `tenant_scope`."""
    now = timezone.now()
    waiting = Q(state=State.PENDING) | Q(state=State.INDEXING, lease_until=None)
    waiting |= Q(state=State.INDEXING, lease_until__lt=now)
    rows = Document.objects.select_for_update(skip_locked=True, of=("self",)).select_related("file")
    leased = list(rows.filter(waiting, pk__in=document_ids).order_by("external_id"))
    Document.objects.filter(pk__in=[document.pk for document in leased]).update(
        state=State.INDEXING, lease_until=now + LEASE, updated_at=now
    )
    for document in leased:
        document.state, document.lease_until = State.INDEXING, now + LEASE
    return leased


@dataclass(frozen=True)
class Prepared:
    """A document between conversion and storage. Each chunk comes with the text that is embedded and
    searched for it: title and heading path in front, for a passage seldom says what it is about.
    `heading` is the title where it says something, and empty where it is a file's number."""

    converted: ConvertedDocument
    title: str
    heading: str
    chunks: tuple[tuple[Chunk, str], ...]

    @property
    def texts(self) -> list[str]:
        """All that is embedded."""
        return [*([self.heading] if self.heading else []), *(text for _, text in self.chunks)]


def prepare(document: Document) -> Prepared:
    """Converts the stored file and splits its text; the database is not used. Raises `KnowledgeError`.

    Here is the boundary to the parsers of foreign bytes: whatever else they raise is a fault of ours
    or theirs that this one document has brought to light, and must stop no other.
    """
    try:
        converted = convert(bytes(document.file.data), name=document.file.name, media_type=document.file.media_type)
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
    digests = {_digest(text) for _, prepared in ready for text in prepared.texts}
    rows = Passage.objects.filter(document__in=[document for document, _ in ready], embedded_sha256__in=digests)
    return {digest: str(vector) for digest, vector in rows.values_list("embedded_sha256", "embedding")}


def embed_missing(ready: Sequence[tuple[Document, Prepared]], known: dict[str, str], embed: Embed) -> dict[str, str]:
    """`known` and the vectors of all other chunks, as text."""
    missing = {_digest(text): text for _, prepared in ready for text in prepared.texts}
    missing = {digest: text for digest, text in missing.items() if digest not in known}
    vectors = embed(list(missing.values())) if missing else []
    return known | {digest: _as_text(vector) for digest, vector in zip(missing, vectors, strict=True)}


def swap(document: Document, prepared: Prepared, vectors: dict[str, str]) -> DocumentVersion:
    """Replaces the document's passages in one transaction: a reader sees the old or the new."""
    converted, chunks = prepared.converted, prepared.chunks
    with transaction.atomic(savepoint=False):
        document.corpus = corpus.advance(document.tenant_id)
        known = document.current_version_id is not None
        number = document.versions.count() + 1 if known else 1
        version: DocumentVersion = DocumentVersion.objects.create(
            tenant_id=document.tenant_id,
            document=document,
            number=number,
            text=converted.text,
            blocks=[[b.kind, b.start, b.end, b.level, b.page] for b in converted.blocks],
            sha256=_digest(converted.text),
            warnings=list(converted.warnings),
        )
        if known:
            _remove_passages(document)
        metadata = converted.metadata
        document.title = prepared.title or document.title
        document.url = (metadata.get("url") or document.url)[:1000]
        if metadata.get("visibility") in Visibility.values:
            document.visibility = metadata["visibility"]
        _insert_passages(document, version, chunks, vectors)
        document.current_version, document.state, document.lease_until = version, State.INDEXED, None
        document.save()
        with connection.cursor() as cursor:
            title = vectors[_digest(prepared.heading)] if prepared.heading else None
            cursor.execute(EMBED_DOCUMENT, {"document": document.pk, "title": title})
    return version


def fail(document: Document, error: KnowledgeError) -> None:
    """Records why; the last good version stays searchable."""
    document.state, document.lease_until = State.FAILED, None
    document.error_code, document.error_hint = error.code, error.hint[:500]
    document.save(update_fields=["state", "lease_until", "error_code", "error_hint", "updated_at"])


def embedder(tenant_id: int, *, rolls_back: bool = False) -> Embed:
    """Embeds passages through the gateway on this tenant's account."""
    caller = Caller(tenant_id=tenant_id, purpose="index")
    return lambda texts: client.embed_sync(caller, texts, rolls_back=rolls_back)


def _as_text(vector: Sequence[float]) -> str:
    """As pgvector reads it; a `halfvec` keeps eleven bits, so four digits say it all."""
    return "[" + ",".join([f"{value:.4g}" for value in vector]) + "]"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _remove_passages(document: Document) -> None:
    with connection.cursor() as cursor:
        for version in document.passages.order_by().values_list("version_id", flat=True).distinct():
            cursor.execute(COUNT_TERMS, {"sign": -1, "version": version})
    document.passages.all().delete()


def _insert_passages(
    document: Document, version: DocumentVersion, chunks: Sequence[tuple[Chunk, str]], vectors: dict[str, str]
) -> None:
    with connection.cursor() as cursor:
        cursor.executemany(
            INSERT_PASSAGE,
            [
                {
                    "tenant": document.tenant_id,
                    "document": document.pk,
                    "version": version.pk,
                    "visibility": document.visibility,
                    "ordinal": ordinal,
                    "text": chunk.text,
                    "start": chunk.start,
                    "end": chunk.end,
                    "headings": json.dumps(chunk.heading_path),
                    "page": chunk.page,
                    "digest": _digest(text),
                    "vector": vectors[_digest(text)],
                    "searched": spaced(text),
                }
                for ordinal, (chunk, text) in enumerate(chunks)
            ],
        )
        cursor.execute(COUNT_TERMS, {"sign": 1, "version": version.pk})


def remove(document: Document) -> None:
    """Takes a vanished document out of search. Its versions stay: old answers cite them."""
    document.corpus = corpus.advance(document.tenant_id)
    _remove_passages(document)
    document.state, document.visibility = State.FAILED, Visibility.INTERNAL
    document.error_code, document.error_hint = "source_gone", "The source no longer has it."
    document.save(update_fields=["state", "visibility", "error_code", "error_hint", "corpus", "updated_at"])
