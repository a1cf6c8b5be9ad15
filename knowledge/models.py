"""Sources, documents, their versions, and the passages that are searched."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import ClassVar

from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.db import models
from django.utils.translation import gettext_lazy as _
from pgvector.django import HalfVectorField, HnswIndex, SparseVectorField

from accounts.models import Tenant, TenantManager, TenantModel
from accounts.permissions import Actor

DIMENSIONS = 384  # of the packaged embedding model; another size needs a migration
TERM_SPACE = 1 << 28  # terms are hashed to this many sparse dimensions
LEASE = timedelta(minutes=5)


class Visibility(models.TextChoices):
    PUBLIC = "public", _("public")  # everybody
    SIGNED_IN = "signed_in", _("signed in")  # customers of the tenant
    INTERNAL = "internal", _("internal")  # agents and admins; never in an answer to a customer


class Source(TenantModel):
    """Where documents come from: an upload, a folder, a corpus file."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=200)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["tenant", "name"], name="source_name")]

    def __str__(self) -> str:
        return self.name


class State(models.TextChoices):
    PENDING = "pending", _("waiting")  # a file waits to be converted; a worker may take it
    INDEXING = "indexing", _("being indexed")  # a worker holds the lease until lease_until
    INDEXED = "indexed", _("searchable")  # current_version is what the file says
    FAILED = "failed", _("failed")  # error_code says why; an earlier version stays searchable


class DocumentQuerySet(models.QuerySet["Document"]):
    def visible_to(self, actor: Actor) -> DocumentQuerySet:
        """What this person may read, in their tenant."""
        return self.filter(tenant_id=actor.tenant_id, visibility__in=actor.visibilities)


class DocumentManager(TenantManager.from_queryset(DocumentQuerySet)):  # type: ignore[misc]
    pass


class Document(TenantModel):
    """One article or file. `external_id` is its identity at its source. `embedding` is the mean of its
    passages', `title_embedding` its title's alone; the ranker uses both. `outdated` and `superseded_by`
    are what the article says of itself (`knowledge.standing`)."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="documents")
    external_id = models.CharField(max_length=500)
    title = models.CharField(max_length=500)
    url = models.CharField(max_length=1000, blank=True)
    visibility = models.CharField(max_length=10, choices=Visibility, default=Visibility.PUBLIC)
    outdated = models.BooleanField(default=False)
    superseded_by = models.CharField(max_length=600, blank=True)
    state = models.CharField(max_length=10, choices=State, default=State.PENDING)
    error_code = models.CharField(max_length=50, blank=True)
    error_hint = models.CharField(max_length=500, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    current_version = models.ForeignKey("DocumentVersion", null=True, on_delete=models.SET_NULL, related_name="+")
    embedding = HalfVectorField(dimensions=DIMENSIONS, null=True, editable=False)
    title_embedding = HalfVectorField(dimensions=DIMENSIONS, null=True, editable=False)
    corpus = models.BigIntegerField(default=0, editable=False)  # the number that its passages came with
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects: ClassVar[DocumentManager] = DocumentManager()

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["source", "external_id"], name="document_identity")]

    def __str__(self) -> str:
        return self.title


class StoredFile(TenantModel):
    """The bytes of a document as they came; in the database, so that every worker has them and
    they are committed together with the row that asks for their conversion. `title` and `visibility`
    are those that the source gave; without the one the document's own title counts, and a visibility
    that the document states for itself always does."""

    document = models.OneToOneField(Document, on_delete=models.CASCADE, related_name="file")
    name = models.CharField(max_length=500)
    title = models.CharField(max_length=500, blank=True)
    visibility = models.CharField(max_length=10, choices=Visibility, blank=True)
    media_type = models.CharField(max_length=100, blank=True)
    data = models.BinaryField()
    sha256 = models.CharField(max_length=64)


class DocumentVersion(TenantModel):
    """The converted text, frozen: citations and audit records point into it for good.

    `blocks` is [[kind, start, end, level, page], …] as in `knowledge.types.Block`.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    text = models.TextField()
    blocks = models.JSONField(default=list)
    sha256 = models.CharField(max_length=64)
    warnings = models.JSONField(default=list)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["document", "number"], name="version_number")]

    def __str__(self) -> str:
        return f"{self.document.title} v{self.number}"


class Passage(TenantModel):
    """A searchable piece of a current version: `text == version.text[start:end]`.

    `visibility` repeats the document's, so that a search filters without a join. `weights` holds
    the saturated term frequencies of BM25 by hashed term (`knowledge.retrieval.keyword`).
    """

    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="passages")
    version = models.ForeignKey(DocumentVersion, on_delete=models.CASCADE, related_name="passages")
    visibility = models.CharField(max_length=10, choices=Visibility)
    ordinal = models.PositiveIntegerField()
    text = models.TextField()
    start = models.PositiveIntegerField()
    end = models.PositiveIntegerField()
    heading_path = models.JSONField(default=list)
    page = models.PositiveIntegerField(null=True)
    embedded_sha256 = models.CharField(max_length=64)
    embedding = HalfVectorField(dimensions=DIMENSIONS)
    keywords = SearchVectorField()
    weights = SparseVectorField(dimensions=TERM_SPACE)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["version", "ordinal"], name="passage_ordinal")]
        indexes: ClassVar = [
            HnswIndex(
                name="passage_embedding",
                fields=["embedding"],
                m=16,
                ef_construction=64,
                opclasses=["halfvec_cosine_ops"],
            ),
            GinIndex(name="passage_keywords", fields=["keywords"]),
            models.Index(name="passage_reuse", fields=["tenant", "embedded_sha256"]),
        ]


class TermCount(TenantModel):
    """In how many passages of the tenant a term stands: the document frequency of BM25."""

    id = models.BigAutoField(primary_key=True)
    term = models.IntegerField()
    passages = models.IntegerField()

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["tenant", "term"], name="term_once")]


class Corpus(TenantModel):
    """How often what can be found has changed (`knowledge.corpus`)."""

    tenant = models.OneToOneField(Tenant, on_delete=models.CASCADE, primary_key=True, related_name="+")
    number = models.BigIntegerField()

    def __str__(self) -> str:
        return str(self.number)
