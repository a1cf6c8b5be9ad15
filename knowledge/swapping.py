"""Puts the passages of new versions in the place of the old ones.

A group of documents is swapped in one transaction and a handful of statements: a reader sees all of them
as they were or all as they are. Which of them still may be is decided by their leases.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg
from django.db import connection, transaction
from django.db.models import Max
from django.utils import timezone

from knowledge import corpus
from knowledge.models import Document, DocumentVersion, Kind, Passage, State, Visibility
from knowledge.pages import keeping
from knowledge.retrieval.keyword import CONFIGURATION, COUNT_TERMS, WEIGHTS
from knowledge.retrieval.language import spaced
from knowledge.standing import standing
from knowledge.types import Chunk, ConvertedDocument

INSERT_PASSAGES = f"""
    INSERT INTO knowledge_passage (tenant_id, document_id, version_id, visibility, ordinal, text, start, "end",
                                   heading_path, page, embedded_sha256, embedding, keywords, weights)
    SELECT %s, document, version, visibility, ordinal, text, first, last, headings::jsonb, page, digest,
           vector::halfvec, keywords, {WEIGHTS}
    FROM unnest(%s::uuid[], %s::uuid[], %s::text[], %s::int[], %s::text[], %s::int[], %s::int[], %s::text[],
                %s::int[], %s::text[], %s::text[], %s::text[])
         AS new(document, version, visibility, ordinal, text, first, last, headings, page, digest, vector, searched),
         to_tsvector('{CONFIGURATION}', searched) AS keywords
"""

INDEXED = f"""
    UPDATE knowledge_document AS document
    SET corpus = %s, title = new.title, url = new.url, visibility = new.visibility, outdated = new.outdated,
        superseded_by = new.successor, current_version_id = new.version,
        state = '{State.INDEXED}', lease_until = NULL, updated_at = %s, title_embedding = new.vector::halfvec,
        embedding = (SELECT avg(embedding) FROM knowledge_passage WHERE version_id = new.version)
    FROM unnest(%s::uuid[], %s::uuid[], %s::text[], %s::text[], %s::text[], %s::boolean[], %s::text[], %s::text[])
         AS new(id, version, title, url, visibility, outdated, successor, vector)
    WHERE document.id = new.id
"""


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


def swap(ready: Sequence[tuple[Document, Prepared]], vectors: Mapping[str, str]) -> list[DocumentVersion]:
    """Makes the new versions the current ones, in one transaction. Passes over a document whose lease
    is not the one it was taken with: its file has changed meanwhile, or another worker has it."""
    if not ready:
        return []
    with transaction.atomic(savepoint=False):
        number = corpus.advance(ready[0][0].tenant_id)
        held = _held([document for document, _ in ready])
        ready = [(document, prepared) for document, prepared in ready if document.pk in held]
        versions = _add_versions(ready)
        _insert_passages(ready, versions, vectors)
        remove_passages([document.pk for document, _ in ready], but=[version.pk for version in versions])
        _mark_indexed(ready, versions, vectors, number)
    return versions


def remove_passages(documents: Sequence[UUID], *, but: Sequence[UUID] = ()) -> None:
    """Deletes the documents' passages except those of the versions `but`. The counts of the terms are
    brought up to date for both in one statement, in which every writer takes the terms in one order."""
    with connection.cursor() as cursor:
        cursor.execute(COUNT_TERMS, {"documents": list(documents), "new": list(but)})
    Passage.objects.filter(document__in=documents).exclude(version__in=but).delete()


def digest_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def as_text(vector: Sequence[float]) -> str:
    """As pgvector reads it; a `halfvec` keeps eleven bits, so four digits say it all."""
    return "[" + ",".join([f"{value:.4g}" for value in vector]) + "]"


def _held(documents: Sequence[Document]) -> set[UUID]:
    """Those that are still leased as they were, locked until the end of the transaction."""
    leases = {document.pk: document.lease_until for document in documents}
    rows = Document.objects.select_for_update().filter(pk__in=leases, state=State.INDEXING).order_by("pk")
    return {pk for pk, until in rows.values_list("pk", "lease_until") if until == leases[pk]}


def _add_versions(ready: Sequence[tuple[Document, Prepared]]) -> list[DocumentVersion]:
    known = [document.pk for document, _ in ready if document.current_version_id is not None]
    rows = DocumentVersion.objects.filter(document__in=known).order_by().values_list("document")
    numbers = dict(rows.annotate(Max("number")))
    originals = keeping.keep([document for document, _ in ready])
    versions = [
        DocumentVersion(
            tenant_id=document.tenant_id,
            document=document,
            number=numbers.get(document.pk, 0) + 1,
            text=prepared.converted.text,
            blocks=[[b.kind, b.start, b.end, b.level, b.page] for b in prepared.converted.blocks],
            sha256=digest_of(prepared.converted.text),
            warnings=list(prepared.converted.warnings),
            original_id=originals.get(document.pk),
        )
        for document, prepared in ready
    ]
    return list(DocumentVersion.objects.bulk_create(versions))


def _insert_passages(
    ready: Sequence[tuple[Document, Prepared]], versions: Sequence[DocumentVersion], vectors: Mapping[str, str]
) -> None:
    rows = [
        (
            document.pk,
            version.pk,
            _visibility(document, prepared),
            ordinal,
            chunk.text,
            chunk.start,
            chunk.end,
            json.dumps(chunk.heading_path),
            chunk.page,
            digest_of(text),
            vectors[digest_of(text)],
            spaced(text),
        )
        for (document, prepared), version in zip(ready, versions, strict=True)
        for ordinal, (chunk, text) in enumerate(prepared.chunks)
    ]
    if rows:
        _execute(INSERT_PASSAGES, [ready[0][0].tenant_id, *(list(column) for column in zip(*rows, strict=True))])


def _mark_indexed(
    ready: Sequence[tuple[Document, Prepared]],
    versions: Sequence[DocumentVersion],
    vectors: Mapping[str, str],
    number: int,
) -> None:
    rows = [
        (
            document.pk,
            version.pk,
            prepared.title or document.title,
            (prepared.converted.metadata.get("url") or document.url)[:1000],
            _visibility(document, prepared),
            stands.outdated,
            stands.successor,
            vectors[digest_of(prepared.heading)] if prepared.heading else None,
        )
        for (document, prepared), version in zip(ready, versions, strict=True)
        for stands in [standing(prepared.converted)]
    ]
    if rows:
        _execute(INDEXED, [number, timezone.now(), *(list(column) for column in zip(*rows, strict=True))])


def _visibility(document: Document, prepared: Prepared) -> str:
    """What the file says of itself. One that was fetched or sent by a program can only let fewer read it
    than its source does: whoever wrote the page does not decide what the tenant shows."""
    stated, given = prepared.converted.metadata.get("visibility", ""), document.file.visibility
    if stated not in Visibility.values:
        return document.visibility
    if document.source.kind == Kind.FILES or not given:
        return stated
    return max(stated, given, key=lambda each: Visibility(each).strictness)


def _execute(statement: str, parameters: Sequence[Any]) -> None:
    # The driver's own cursor, because it sends parameters beside the statement: Django's writes them into
    # it, and the server would parse hundreds of vectors twice.
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        cursor.execute(statement, parameters)
