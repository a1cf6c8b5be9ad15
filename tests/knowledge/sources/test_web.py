"""Pages, sitemaps and websites that are followed, on a real server."""

from __future__ import annotations

import gzip
from typing import Any

import pytest

from accounts.tenancy import tenant_scope
from knowledge.models import Document, DocumentVersion, SourceItem, SourceState
from tests.servers.site import Resource, Site

RETURNS = "<h1>Returns</h1><p>Lamps are returned within 30 days of delivery.</p>"
WARRANTY = "<h1>Warranty</h1><p>Lamps are repaired for two years after delivery.</p>"


def sitemap(site: Site, *paths: str) -> Resource:
    listed = "".join(f"<url><loc>{site.url}{path}</loc></url>" for path in paths)
    xml = f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{listed}</urlset>'
    return Resource(xml.encode(), "application/xml")


def test_named_pages_become_searchable_with_their_address(site: Site, follow: Any) -> None:
    site.page("/returns", RETURNS)
    site.page("/warranty?lang=en", WARRANTY)
    source = follow("pages", urls=[site.url + "/returns#top", site.url + "/warranty?lang=en&utm_source=x"])
    assert source.pass_over() == "synced"
    found = source.searchable()
    assert set(found) == {site.url + "/returns", site.url + "/warranty?lang=en"}
    assert "30 days" in found[site.url + "/returns"]
    with tenant_scope(source.cast.acme.pk):
        assert Document.objects.get(title="Returns").url == site.url + "/returns"
    row = source.row()
    assert (row.state, row.error_code) == (SourceState.IDLE, "")
    assert row.next_sync_at > row.last_synced_at


def test_what_has_not_changed_is_asked_for_by_its_tag_and_not_taken_again(site: Site, follow: Any) -> None:
    site.page("/returns", RETURNS, etag='"1"')
    site.page("/warranty", WARRANTY, modified="Tue, 24 Nov 2026 08:00:00 GMT")
    source = follow("pages", urls=[site.url + "/returns", site.url + "/warranty"])
    source.pass_over()
    source.pass_over()
    assert [visit.status for visit in site.visits if "robots" not in visit.path] == [200, 200, 304, 304]
    site.page("/returns", RETURNS.replace("30", "14"), etag='"2"')
    source.pass_over()
    assert "14 days" in source.searchable()[site.url + "/returns"]
    with tenant_scope(source.cast.acme.pk):
        assert DocumentVersion.objects.count() == 3


def test_a_sitemap_is_followed_through_its_index_and_its_packing(site: Site, follow: Any) -> None:
    inner = f"<sitemap><loc>{site.url}/a.xml.gz</loc></sitemap><sitemap><loc>{site.url}/b.txt</loc></sitemap>"
    site.pages["/sitemap.xml"] = Resource(f"<sitemapindex>{inner}</sitemapindex>".encode(), "text/xml")
    site.pages["/a.xml.gz"] = Resource(gzip.compress(sitemap(site, "/returns").body), "application/gzip")
    site.pages["/b.txt"] = Resource(f"{site.url}/warranty\n{site.url}/blog/news\n".encode(), "text/plain")
    for path, text in (("/returns", RETURNS), ("/warranty", WARRANTY), ("/blog/news", "<p>News of lamps.</p>")):
        site.page(path, text)
    source = follow("sitemap", urls=[site.url + "/sitemap.xml"], exclude=["/blog/"])
    assert source.pass_over() == "synced"
    assert set(source.searchable()) == {site.url + "/returns", site.url + "/warranty"}
    assert "/blog/news" not in site.paths


def test_a_website_is_followed_along_its_links_within_its_bounds(site: Site, follow: Any) -> None:
    site.page("/help/", RETURNS + '<a href="a">A</a> <a href="/shop">Shop</a> <a href="http://other.example/">O</a>')
    site.page("/help/a", WARRANTY + '<a href="b">B</a> <a href="mailto:x@y.example">Mail</a> <a href="/help/">Up</a>')
    site.page("/help/b", "<p>Lamps are shipped on Mondays.</p><a href='c'>C</a><a href='private' rel='nofollow'>P</a>")
    site.page("/help/c", "<p>Too deep to be found by anybody.</p>")
    source = follow("crawl", urls=[site.url + "/help/"], include=["/help/"], depth=2)
    assert source.pass_over() == "synced"
    assert set(source.searchable()) == {site.url + path for path in ("/help/", "/help/a", "/help/b")}
    assert set(site.paths) == {"/robots.txt", "/help/", "/help/a", "/help/b"}


def test_a_site_of_unchanged_pages_keeps_what_its_links_led_to(site: Site, follow: Any) -> None:
    site.page("/", RETURNS + '<a href="/a">A</a>', etag='"1"')
    site.page("/a", WARRANTY, etag='"1"')
    source = follow("crawl", urls=[site.url + "/"], grace_hours=0)
    source.pass_over()
    assert source.pass_over() == "synced"
    assert len(source.searchable()) == 2


def test_no_more_pages_than_wanted_are_visited(site: Site, follow: Any) -> None:
    site.respond = lambda path, _headers: (
        Resource(f'<p>Page {path} of a calendar.</p><a href="{path}1">1</a><a href="{path}2">2</a>'.encode())
        if path != "/robots.txt"
        else None
    )
    source = follow("crawl", urls=[site.url + "/"], max_pages=7)
    assert source.sync() == "synced"
    assert len([path for path in site.paths if path != "/robots.txt"]) == 7


def test_robots_are_asked_once_and_obeyed(site: Site, follow: Any) -> None:
    rules = "User-agent: other\nDisallow: /\n\nUser-agent: *\nDisallow: /internal/*/x\nAllow: /\nCrawl-delay: 2\n"
    site.pages["/robots.txt"] = Resource(rules.encode(), "text/plain")
    site.page("/a", RETURNS)
    site.page("/internal/b/x", WARRANTY)
    source = follow("pages", urls=[site.url + "/a", site.url + "/internal/b/x"], requests_per_minute=600)
    assert source.pass_over() == "synced"
    assert set(source.searchable()) == {site.url + "/a"}
    assert site.paths == ["/robots.txt", "/a"]
    assert 1.8 < source.slept[0] <= 2


def test_a_site_that_wants_no_programs_is_left_alone_and_says_so(site: Site, follow: Any) -> None:
    site.pages["/robots.txt"] = Resource(b"User-agent: Citedesk\nDisallow: /", "text/plain")
    site.page("/", RETURNS)
    source = follow("crawl", urls=[site.url + "/"])
    assert source.sync() == "failing"
    assert (source.row().error_code, site.paths) == ("robots_refuse", ["/robots.txt"])


def test_the_pace_is_kept(site: Site, follow: Any) -> None:
    for number in range(3):
        site.page(f"/{number}", f"<p>Lamp number {number} is described here.</p>")
    source = follow("pages", urls=[f"{site.url}/{number}" for number in range(3)], requests_per_minute=30)
    source.sync()
    assert len(source.slept) == 3
    assert all(1.5 < slept <= 2 for slept in source.slept)


def test_one_page_under_many_addresses_is_taken_once(site: Site, follow: Any) -> None:
    head = f'<link rel="canonical" href="{site.url}/returns">'
    site.page("/returns", RETURNS, head=head)
    site.page("/returns?from=mail", RETURNS, head=head)
    site.pages["/old"] = Resource(status=301, headers={"Location": "/returns"})
    site.page("/x", WARRANTY, head=f'<link rel="canonical" href="{site.url}/y">')
    site.page("/y", WARRANTY, head=f'<link rel="canonical" href="{site.url}/x">')
    paths = ("/returns?from=mail", "/old", "/returns", "/x", "/y")
    source = follow("pages", urls=[site.url + path for path in paths])
    source.pass_over()
    assert set(source.searchable()) == {site.url + "/returns", site.url + "/y"}


def test_pages_that_ask_not_to_be_indexed_are_not(site: Site, follow: Any) -> None:
    site.page("/a", RETURNS, head='<meta name="robots" content="noindex">')
    site.page("/b", WARRANTY)
    site.pages["/b"].headers["X-Robots-Tag"] = "noindex, nofollow"
    site.page("/c", "<p>Lamps are shipped on Mondays.</p>")
    site.pages["/d"] = Resource(b"\x89PNG", "image/png")
    source = follow("pages", urls=[site.url + path for path in ("/a", "/b", "/c", "/d")])
    source.pass_over()
    assert set(source.searchable()) == {site.url + "/c"}


def test_the_headers_encoding_counts(site: Site, follow: Any) -> None:
    text = "<html><body><main><p>Доставка занимает три дня. Возврат возможен.</p></main></body></html>"
    site.pages["/a"] = Resource(text.encode("koi8-r"), "text/html; charset=KOI8-R")
    site.pages["/b"] = Resource("<p>Größe und Maße der Lampe.</p>".encode(), "text/html; charset=hex")
    source = follow("pages", urls=[site.url + "/a", site.url + "/b"])
    source.pass_over()
    assert "Доставка занимает три дня" in source.searchable()[site.url + "/a"]
    assert "Größe und Maße" in source.searchable()[site.url + "/b"]


@pytest.mark.parametrize("status", [404, 410])
def test_a_page_that_is_gone_leaves_search_after_the_grace_and_not_before(site: Site, follow: Any, status: int) -> None:
    site.page("/a", RETURNS)
    site.page("/b", WARRANTY)
    source = follow("pages", urls=[site.url + "/a", site.url + "/b"])
    source.pass_over()
    site.pages["/a"] = Resource(b"gone", status=status)
    source.pass_over()
    source.later(hours=23)
    source.pass_over()
    assert len(source.searchable()) == 2
    source.later(hours=2)
    source.pass_over()
    assert set(source.searchable()) == {site.url + "/b"}
    site.page("/a", RETURNS)
    source.pass_over()
    assert len(source.searchable()) == 2, "what comes back is taken in again"
    with tenant_scope(source.cast.acme.pk):
        assert set(Document.objects.values_list("visibility", flat=True)) == {"public"}


def test_what_a_sitemap_no_longer_lists_goes_too(site: Site, follow: Any) -> None:
    site.pages["/sitemap.xml"] = sitemap(site, "/a", "/b")
    site.page("/a", RETURNS)
    site.page("/b", WARRANTY)
    source = follow("sitemap", urls=[site.url + "/sitemap.xml"], grace_hours=1)
    source.pass_over()
    site.pages["/sitemap.xml"] = sitemap(site, "/b")
    source.pass_over()
    assert len(source.searchable()) == 2
    source.later(hours=2)
    source.pass_over()
    assert set(source.searchable()) == {site.url + "/b"}


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (Resource(b"", status=500), "source_unavailable"),
        (Resource(b"", status=403), "source_refused"),
        (Resource(b"", status=404), "source_not_found"),
        (Resource(b"<html><body>Under maintenance</body></html>"), "source_unreadable"),
        (Resource(b"<urlset></urlset>", "text/xml"), "source_unreadable"),
        (Resource(b'<!DOCTYPE a [<!ENTITY b "c">]><urlset>&b;</urlset>', "text/xml"), "source_unreadable"),
        (Resource(b"", status=302, headers={"Location": "http://169.254.169.254/"}), "address_refused"),
        (Resource(b"<urlset><url><loc>http://elsewhere.example/</loc></url></urlset>", "text/xml"), "source_empty"),
    ],
)
def test_a_failing_source_says_so_and_keeps_everything(site: Site, follow: Any, answer: Resource, code: str) -> None:
    site.pages["/sitemap.xml"] = sitemap(site, "/a")
    site.page("/a", RETURNS)
    source = follow("sitemap", urls=[site.url + "/sitemap.xml"], grace_hours=0)
    source.pass_over()
    good, site.pages["/sitemap.xml"] = site.pages["/sitemap.xml"], answer
    assert source.sync() == "failing"
    first = source.row()
    assert (first.state, first.error_code, bool(first.error_hint)) == (SourceState.FAILING, code, True)
    assert source.sync() == "failing"
    again = source.row()
    assert (again.failing_since, again.failures) == (first.failing_since, 2)
    assert len(source.searchable()) == 1
    site.pages["/sitemap.xml"] = good
    assert source.sync() == "synced"
    assert (source.row().error_code, source.row().failing_since) == ("", None)


def test_a_server_that_is_gone_fails_the_source_and_one_bad_page_does_not(site: Site, follow: Any) -> None:
    site.page("/a", RETURNS)
    site.page("/b", WARRANTY)
    source = follow("pages", urls=[site.url + "/a", site.url + "/b"], grace_hours=0)
    source.pass_over()
    site.pages["/a"] = Resource(b"", status=500)
    assert source.pass_over() == "synced"
    assert len(source.searchable()) == 2
    with tenant_scope(source.cast.acme.pk):
        assert SourceItem.objects.get(error_code="source_unavailable").external_id == site.url + "/a"


def test_a_server_that_asks_to_wait_is_waited_for(site: Site, follow: Any) -> None:
    site.page("/a", RETURNS)
    source = follow("pages", urls=[site.url + "/a"])
    busy = Resource(b"", status=429, headers={"Retry-After": "120"})
    good, site.pages["/a"] = site.pages["/a"], busy
    assert source.sync() == "paused"
    row = source.row()
    assert row.state == SourceState.PAUSED
    assert 100 < (row.next_sync_at - row.created_at).total_seconds() < 140
    site.pages["/a"] = good
    assert source.pass_over() == "synced"
    assert len(source.searchable()) == 1


def test_a_pass_goes_on_where_a_worker_left_it(site: Site, follow: Any) -> None:
    for number in range(5):
        site.page(f"/{number}", f"<p>Lamp number {number} is described here.</p>")
    source = follow("pages", urls=[f"{site.url}/{number}" for number in range(5)])
    ends = [source.sync(seconds=0)]
    while ends[-1] == "paused":
        ends.append(source.sync(seconds=0))
    assert (ends[-1], len(ends)) == ("synced", 7)
    assert sorted(site.paths) == ["/0", "/1", "/2", "/3", "/4", "/robots.txt"]
