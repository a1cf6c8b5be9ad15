"""A source of acme's, the site that it follows, and the clock put forward between passes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.db.models import F
from django.utils import timezone

from accounts.tenancy import tenant_scope
from knowledge.fetching.policy import FetchPolicy
from knowledge.models import Document, Source, SourceItem, State
from knowledge.sources import credentials
from knowledge.sources.syncing import sync
from knowledge.tasks import index_document
from tests.conftest import Cast
from tests.servers.site import Site, serving_site


@pytest.fixture
def site() -> Iterator[Site]:
    cache.clear()
    with serving_site() as served:
        yield served


@dataclass
class Follower:
    """Synchronises and looks, as a worker and an admin would."""

    cast: Cast
    source: Source
    policy: FetchPolicy
    slept: list[float] = field(default_factory=list)

    def sync(self, *, seconds: float = 60.0) -> str:
        """One turn of a worker, at once."""
        with tenant_scope(self.cast.acme.pk):
            Source.objects.filter(pk=self.source.pk, lease=None).update(next_sync_at=timezone.now())
        return sync(
            self.cast.acme.pk, str(self.source.pk), seconds=seconds, policy=self.policy, sleep=self.slept.append
        )

    def index(self) -> None:
        """What the sweep has workers do."""
        with tenant_scope(self.cast.acme.pk):
            waiting = list(Document.objects.filter(state=State.PENDING).values_list("pk", flat=True))
        for document in waiting:
            index_document(self.cast.acme.pk, str(document))

    def pass_over(self) -> str:
        ended = self.sync()
        self.index()
        return ended

    def later(self, **time: float) -> None:
        """As if so much time had passed since things went missing."""
        with tenant_scope(self.cast.acme.pk):
            SourceItem.objects.update(missing_since=F("missing_since") - timedelta(**time))

    def row(self) -> Source:
        with tenant_scope(self.cast.acme.pk):
            return Source.objects.get(pk=self.source.pk)

    def searchable(self) -> dict[str, str]:
        """Path to text of all that can be found."""
        with tenant_scope(self.cast.acme.pk):
            rows = Document.objects.filter(state=State.INDEXED, source=self.source).select_related("current_version")
            return {row.external_id: row.current_version.text for row in rows}


@pytest.fixture
def follow(cast: Cast, site: Site) -> Any:
    def made(kind: str, secret: str = "", visibility: str = "public", **settings: Any) -> Follower:
        with tenant_scope(cast.acme.pk):
            source = Source.objects.create(
                tenant=cast.acme, name=kind, kind=kind, settings=settings, visibility=visibility
            )
            if secret:
                source.credential = credentials.seal(source, secret)
                source.save(update_fields=["credential"])
        return Follower(cast, source, FetchPolicy(private_hosts=frozenset({("127.0.0.1", site.port)})))

    return made
