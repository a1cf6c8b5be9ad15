"""Who works on a source, and when: leases, sweeps, and workers that die."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from accounts.tenancy import tenant_scope
from knowledge import tasks
from knowledge.models import Source, SourceItem, SourceState
from knowledge.sources import ledger, syncing
from tests.conftest import Cast
from tests.servers.site import Resource, Site


@pytest.mark.threat("R3")
def test_of_many_workers_one_follows_the_source(site: Site, follow: Any) -> None:
    site.page("/a", "<p>Lamps are returned within 30 days.</p>")
    source = follow("pages", urls=[site.url + "/a"])
    with tenant_scope(source.cast.acme.pk):
        ledger.ask_for_sync(source.source)

    def work(_: int) -> str:
        try:
            return syncing.sync(source.cast.acme.pk, str(source.source.pk), policy=source.policy)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as workers:
        assert sorted(workers.map(work, range(4))) == ["skipped", "skipped", "skipped", "synced"]
    assert site.paths.count("/a") == 1


@pytest.mark.threat("R1")
def test_another_worker_goes_on_where_one_died_and_the_dead_one_saves_nothing(site: Site, follow: Any) -> None:
    for path in ("/a", "/b"):
        site.page(path, f"<p>The page {path} about lamps.</p>")
    source = follow("pages", urls=[site.url + "/a", site.url + "/b"])
    assert source.sync(seconds=0) == "paused"
    with tenant_scope(source.cast.acme.pk):
        dead = ledger.take(source.source.pk)
        assert dead is not None
        assert ledger.take(source.source.pk) is None
        Source.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert source.sync() == "synced"
    assert sorted(site.paths) == ["/a", "/b", "/robots.txt"]
    with pytest.raises(ledger.LeaseLost), tenant_scope(source.cast.acme.pk):
        ledger.fail(dead, "x", "y")
    assert source.row().state == SourceState.IDLE


@pytest.mark.threat("R2")
def test_the_sweep_finds_what_is_due_and_nothing_else(site: Site, follow: Any, monkeypatch: Any) -> None:
    queued: list[str] = []
    monkeypatch.setattr(tasks.sync, "delay", lambda tenant_id, source_id: queued.append(source_id))
    due, later = follow("pages", urls=[site.url]), follow("crawl", urls=[site.url])
    uploads = follow("files")
    with tenant_scope(due.cast.acme.pk):
        for each in (due, uploads):
            ledger.ask_for_sync(each.source)
        Source.objects.filter(pk=later.source.pk).update(next_sync_at=timezone.now() + timedelta(hours=1))
    tasks.sweep_sources()
    assert queued == [str(due.source.pk)]


def test_a_source_that_is_followed_by_hand_plans_nothing(site: Site, follow: Any) -> None:
    site.page("/a", "<p>Lamps are returned within 30 days.</p>")
    source = follow("pages", urls=[site.url + "/a"])
    with tenant_scope(source.cast.acme.pk):
        Source.objects.update(interval=0)
    assert source.sync() == "synced"
    assert source.row().next_sync_at is None


def test_each_failure_is_waited_for_longer_up_to_a_day(site: Site, follow: Any) -> None:
    source, waits = follow("crawl", urls=[site.url + "/"]), []
    site.pages["/"] = Resource(status=500)
    for _ in range(12):
        assert source.sync() == "failing"
        waits.append(source.row().next_sync_at - timezone.now())
    assert timedelta(minutes=4) < waits[0] < timedelta(minutes=6)
    assert timedelta(minutes=9) < waits[1] < timedelta(minutes=11)
    assert timedelta(hours=23) < waits[-1] <= timedelta(days=1)


def test_a_stricter_visibility_of_the_source_holds_for_its_pages(site: Site, follow: Any) -> None:
    site.page("/a", "<p>Lamps are returned within 30 days.</p>")
    source = follow("pages", visibility="internal", urls=[site.url + "/a"])
    source.pass_over()
    with tenant_scope(source.cast.acme.pk):
        assert [row.visibility for row in source.source.documents.all()] == ["internal"]


@pytest.mark.threat("T7")
def test_items_of_other_tenants_are_not_there(site: Site, follow: Any, cast: Cast) -> None:
    site.page("/a", "<p>Lamps are returned within 30 days.</p>")
    follow("pages", urls=[site.url + "/a"]).pass_over()
    with tenant_scope(cast.acme.pk):
        assert SourceItem._base_manager.count() == 1
    with tenant_scope(cast.mallory_co.pk):
        assert SourceItem._base_manager.count() == 0
    assert syncing.sync(cast.mallory_co.pk, str(follow("crawl", urls=[site.url]).source.pk)) == "skipped"
