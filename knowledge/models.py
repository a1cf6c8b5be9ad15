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
from knowledge.pages.models import Original

DIMENSIONS = 384  # of the packaged embedding model; another size needs a migration
TERM_SPACE = 1 << 28  # terms are hashed to this many sparse dimensions
LEASE = timedelta(minutes=5)


class Visibility(models.TextChoices):
    PUBLIC = "public", _("public")  # everybody
    SIGNED_IN = "signed_in", _("signed in")  # customers of the tenant
    INTERNAL = "internal", _("internal")  # agents and admins; never in an answer to a customer

    @property
    def strictness(self) -> int:
        """More, the fewer may read."""
        return list(Visibility).index(self)


class Kind(models.TextChoices):
    FILES = "files", _("uploaded or imported files")  # nothing is fetched
    API = "api", _("sent by a program")  # nothing is fetched
    PAGES = "pages", _("web pages")  # the pages that its settings name
    SITEMAP = "sitemap", _("sitemap")  # the pages that a sitemap lists
    CRAWL = "crawl", _("website")  # the pages that links lead to
    ZENDESK = "zendesk", _("Zendesk help centre")  # the articles that its API lists


class SourceState(models.TextChoices):
    IDLE = "idle", _("up to date")  # waits for next_sync_at; the last pass, if any, went well
    SYNCING = "syncing", _("being synchronised")  # a worker holds the lease until lease_until
    PAUSED = "paused", _("in between")  # a pass is half done; sync_cursor says where it goes on
    FAILING = "failing", _("failing")  # error_code says why, failing_since since when; all articles stay


class Source(TenantModel):
    """Where documents come from. Those that are fetched have `settings` of their kind
    (`knowledge.sources.registry`), are synchronised every `interval` minutes (0 is by hand alone) and give
    their documents `visibility`. `credential` is sealed (`knowledge.sources.credentials`).

    A pass over a source is cut into pieces of work: `sync_cursor` is where the next piece begins, None when
    no pass is open; `sync_pass` numbers the passes. `lease` is the worker's that has it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(_("name"), max_length=200)
    kind = models.CharField(_("kind"), max_length=12, choices=Kind, default=Kind.FILES)
    settings = models.JSONField(_("settings"), default=dict, blank=True)
    visibility = models.CharField(_("visibility"), max_length=10, choices=Visibility, default=Visibility.PUBLIC)
    interval = models.PositiveIntegerField(_("minutes between synchronisations"), default=1440)
    credential = models.BinaryField(null=True, editable=False)
    state = models.CharField(_("state"), max_length=10, choices=SourceState, default=SourceState.IDLE)
    error_code = models.CharField(max_length=50, blank=True)
    error_hint = models.CharField(max_length=500, blank=True)
    failing_since = models.DateTimeField(_("failing since"), null=True, blank=True)
    failures = models.PositiveIntegerField(default=0)
    lease = models.UUIDField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    next_sync_at = models.DateTimeField(_("next synchronisation"), null=True, blank=True)
    last_synced_at = models.DateTimeField(_("last synchronised"), null=True, blank=True)
    sync_pass = models.PositiveIntegerField(default=0)
    sync_cursor = models.JSONField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["tenant", "name"], name="source_name")]

    def __str__(self) -> str:
        return self.name


class SourceItem(TenantModel):
    """One address or article as its source lists it; its document, if it has one, has the same external_id.
    `listed_pass` and `done_pass` are the passes that last saw it listed and dealt with it; in between it
    waits. `missing_since` is set when a pass no longer found it: after the grace it goes."""

    id = models.BigAutoField(primary_key=True)
    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="items")
    external_id = models.CharField(max_length=500)
    depth = models.PositiveSmallIntegerField(default=0)
    preferred = models.BooleanField(default=False)  # another page names this address as the one to keep
    listed_pass = models.PositiveIntegerField(default=0)
    done_pass = models.PositiveIntegerField(default=0)
    etag = models.CharField(max_length=200, blank=True)
    modified = models.CharField(max_length=60, blank=True)
    missing_since = models.DateTimeField(null=True, blank=True)
    error_code = models.CharField(max_length=50, blank=True)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["source", "external_id"], name="source_item")]
        indexes: ClassVar = [models.Index(name="source_item_waiting", fields=["source", "listed_pass", "done_pass"])]

    def __str__(self) -> str:
        return self.external_id


class IdempotentCall(TenantModel):
    """A call of a program's that had its effect, by the key that came with it, and what it was answered."""

    id = models.BigAutoField(primary_key=True)
    caller = models.CharField(max_length=40)  # an API key's id, or a user's
    key = models.CharField(max_length=200)
    digest = models.CharField(max_length=64)
    response = models.JSONField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["tenant", "caller", "key"], name="idempotent_call_once")
        ]

    def __str__(self) -> str:
        return self.key


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
    that the document states for itself always does. `data` is empty once it has moved to an `Original`."""

    document = models.OneToOneField(Document, on_delete=models.CASCADE, related_name="file")
    name = models.CharField(max_length=500)
    title = models.CharField(max_length=500, blank=True)
    visibility = models.CharField(max_length=10, choices=Visibility, blank=True)
    media_type = models.CharField(max_length=100, blank=True)
    data = models.BinaryField()
    sha256 = models.CharField(max_length=64)


class DocumentVersion(TenantModel):
    """The converted text, frozen: citations and audit records point into it for good.

    `blocks` is [[kind, start, end, level, page], …] as in `knowledge.types.Block`. `original` is the file
    of a PDF, as long as that is kept.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    text = models.TextField()
    blocks = models.JSONField(default=list)
    sha256 = models.CharField(max_length=64)
    warnings = models.JSONField(default=list)
    original = models.ForeignKey(Original, null=True, on_delete=models.SET_NULL, related_name="versions")
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
