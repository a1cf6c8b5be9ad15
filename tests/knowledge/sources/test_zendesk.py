"""A Zendesk help centre that is followed, on a server that speaks its API."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.tenancy import tenant_scope
from knowledge.models import Document, SourceState
from tests.servers.site import Resource, Site
from tests.servers.zendesk_server import API, KEY, ZendeskServer, article

TEXTS = [(number, f"Lamp number {number} is returned within {number} days.") for number in range(1, 6)]


@pytest.fixture
def zendesk(site: Site) -> ZendeskServer:
    return ZendeskServer(site, *(article(*each) for each in TEXTS))


def test_all_pages_are_read_with_the_key(site: Site, zendesk: ZendeskServer, follow: Any) -> None:
    source = follow("zendesk", KEY, url=site.url)
    assert source.pass_over() == "synced"
    assert set(source.searchable()) == {"1", "2", "3", "4", "5"}
    with tenant_scope(source.cast.acme.pk):
        document = Document.objects.get(external_id="3")
    assert (document.title, document.url) == ("Article 3", "https://acme.example/hc/en-us/articles/3")
    assert sum(path.startswith(f"{API}/articles") for path in site.paths) == 3
    assert source.pass_over() == "synced"
    with tenant_scope(source.cast.acme.pk):
        assert {row.versions.count() for row in Document.objects.all()} == {1}, "nothing had changed"


def test_drafts_are_not_taken_and_what_becomes_one_or_is_deleted_goes(
    site: Site, zendesk: ZendeskServer, follow: Any
) -> None:
    zendesk.articles[4]["draft"] = True
    source = follow("zendesk", KEY, url=site.url)
    source.pass_over()
    assert set(source.searchable()) == {"1", "2", "3", "4"}
    zendesk.articles[3]["draft"] = True
    del zendesk.articles[0]
    source.pass_over()
    assert len(source.searchable()) == 4, "not before the grace"
    source.later(hours=25)
    source.pass_over()
    assert set(source.searchable()) == {"2", "3"}


def test_who_may_read_an_article_may_read_it_here(site: Site, zendesk: ZendeskServer, follow: Any) -> None:
    zendesk.segments = [
        {"id": 7, "user_type": "signed_in_users", "tags": []},
        {"id": 8, "user_type": "signed_in_users", "tags": ["gold"]},
        {"id": 9, "user_type": "staff"},
    ]
    for number, segment in enumerate((None, 7, 8, 9, 10)):
        zendesk.articles[number]["user_segment_id"] = segment
    follow("zendesk", KEY, url=site.url).pass_over()
    source = follow("pages", urls=[site.url])
    with tenant_scope(source.cast.acme.pk):
        seen = dict(Document.objects.values_list("external_id", "visibility"))
    assert seen == {"1": "public", "2": "signed_in", "3": "internal", "4": "internal", "5": "internal"}


def test_a_limit_is_waited_for_as_long_as_it_says(site: Site, zendesk: ZendeskServer, follow: Any) -> None:
    source = follow("zendesk", KEY, url=site.url)
    zendesk.busy = 1
    assert source.sync() == "paused"
    row = source.row()
    assert row.state == SourceState.PAUSED
    assert 80 < (row.next_sync_at - row.created_at).total_seconds() < 120
    assert source.pass_over() == "synced"


@pytest.mark.parametrize(
    ("secret", "answer", "code"),
    [
        ("agent@acme.example/token:wrong", None, "source_refused"),
        ("", None, "source_refused"),
        (KEY, Resource(b"<html>", status=200), "source_unreadable"),
        (KEY, Resource(b'{"articles": [{"id": 1}], "meta": {}}'), "source_unreadable"),
        (KEY, Resource(b"[]"), "source_unreadable"),
        (KEY, Resource(b"", status=500), "source_unavailable"),
        (KEY, Resource(b"", status=404), "source_not_found"),
    ],
)
def test_it_says_what_is_wrong_and_keeps_everything(
    site: Site, zendesk: ZendeskServer, follow: Any, secret: str, answer: Resource | None, code: str
) -> None:
    source = follow("zendesk", secret, url=site.url)
    if answer is not None:
        site.pages[f"{API}/articles.json?page[size]=100"] = answer
    assert source.sync() == "failing"
    row = source.row()
    assert (row.state, row.error_code) == (SourceState.FAILING, code)
    assert "zd-1" not in row.error_hint


@pytest.mark.threat("S8")
@pytest.mark.parametrize("onward", ["http://169.254.169.254/", "https://mallory.example/next", "http://127.0.0.1:1/"])
def test_the_key_does_not_follow_a_page_to_another_server(site: Site, follow: Any, onward: str) -> None:
    ZendeskServer(site)
    body = f'{{"articles": [], "meta": {{"has_more": true}}, "links": {{"next": "{onward}"}}}}'
    site.pages[f"{API}/articles.json?page[size]=100"] = Resource(body.encode())
    source = follow("zendesk", KEY, url=site.url)
    assert source.sync() == "failing"
    assert source.row().error_code == "source_unreadable"
