"""Sources in the admin: settings are checked, keys go in and never come out."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from accounts.tenancy import tenant_scope
from knowledge.fetching.policy import FetchPolicy
from knowledge.models import Document, Source, SourceState, State
from knowledge.sources import credentials
from knowledge.sources.errors import SourceRefused
from tests.conftest import Cast, TestDatabase
from tests.servers.site import Site

LIST, ADD = "/admin/knowledge/source/", "/admin/knowledge/source/add/"
KEY = "zd_token_3f9a77c1"


@pytest.fixture
def ada(cast: Cast) -> Client:
    client = Client()
    client.force_login(cast.ada, backend="allauth.account.auth_backends.AuthenticationBackend")
    return client


def form(cast: Cast, **changed: Any) -> dict[str, Any]:
    values = {"kind": "pages", "settings": {"urls": ["https://help.example/"]}, **changed}
    settings = values.pop("settings")
    base = {"tenant": cast.acme.pk, "name": "Help", "visibility": "public", "interval": 60}
    return {**base, **values, "settings": settings if isinstance(settings, str) else json.dumps(settings)}


def test_a_new_source_waits_to_be_followed(cast: Cast, ada: Client) -> None:
    response = ada.post(ADD, form(cast), follow=True)
    assert response.status_code == 200
    with tenant_scope(cast.acme.pk):
        source = Source.objects.get()
    assert (source.kind, source.settings["urls"], source.interval) == ("pages", ["https://help.example/"], 60)
    assert source.next_sync_at is not None
    page = ada.get(LIST).content.decode()
    assert "up to date" in page


@pytest.mark.parametrize(
    ("kind", "settings", "said"),
    [
        ("pages", {"urls": []}, "urls"),
        ("pages", {"urls": ["ftp://help.example/"]}, "does not begin with http"),
        ("pages", {"urls": ["http://127.1/"]}, "a.b.c.d"),
        ("pages", {"urls": ["http://help.example/" + "a" * 600]}, "at most 500"),
        ("pages", {"urls": ["https://help.example/"], "password": "x"}, "password"),
        ("crawl", {"urls": ["https://help.example/"], "include": ["help"]}, "include.0"),
        ("crawl", {"urls": ["https://help.example/"], "requests_per_minute": 100_000}, "requests_per_minute"),
        ("crawl", [1], "settings"),
        ("crawl", "{", "JSON"),
        ("files", {"urls": ["https://help.example/"]}, "no settings"),
    ],
)
def test_settings_that_cannot_be_right_are_refused_with_the_field(
    cast: Cast, ada: Client, kind: str, settings: Any, said: str
) -> None:
    response = ada.post(ADD, form(cast, kind=kind, settings=settings))
    assert said in response.content.decode()
    with tenant_scope(cast.acme.pk):
        assert Source.objects.count() == 0


@pytest.mark.threat("T12")
def test_a_key_is_sealed_and_never_shown_again(
    cast: Cast, ada: Client, live_db: TestDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    ada.post(ADD, form(cast, key=KEY))
    with tenant_scope(cast.acme.pk):
        source = Source.objects.get()
        assert credentials.unseal(source) == KEY
    address = f"{LIST}{source.pk}/change/"
    assert KEY not in ada.get(address).content.decode()
    ada.post(address, form(cast, name="Renamed"))
    with tenant_scope(cast.acme.pk):
        source = Source.objects.get()
        assert (source.name, credentials.unseal(source)) == ("Renamed", KEY), "left empty, it stays"
    with live_db.superuser() as connection:
        row = connection.execute("SELECT knowledge_source::text FROM knowledge_source").fetchone()
        entries = connection.execute("SELECT django_admin_log::text FROM django_admin_log").fetchall()
    assert row is not None
    assert KEY not in row[0]
    assert KEY.encode().hex() not in row[0]
    assert KEY not in str(entries)
    assert KEY not in caplog.text


@pytest.mark.threat("S8", "T12")
def test_a_key_opens_for_the_address_that_it_was_entered_for_alone(cast: Cast, live_db: TestDatabase) -> None:
    with tenant_scope(cast.acme.pk):
        source = Source(tenant=cast.acme, name="Help", kind="pages", settings={"url": "https://a.example"})
        source.credential = credentials.seal(source, KEY)
        source.save()
        assert credentials.unseal(source) == KEY
        source.settings = {"url": "https://mallory.example"}
        with pytest.raises(SourceRefused):
            credentials.unseal(source)
        other = Source(tenant=cast.acme, name="Other", kind="pages", settings={"url": "https://a.example"})
        other.credential = source.credential
        with pytest.raises(SourceRefused):
            credentials.unseal(other)
    foreign = Source(
        tenant=cast.mallory_co, pk=source.pk, name="x", kind="pages", settings={"url": "https://a.example"}
    )
    foreign.credential = source.credential
    with pytest.raises(SourceRefused):
        credentials.unseal(foreign)


def test_a_source_is_synchronised_on_demand_and_says_why_it_fails(
    cast: Cast, ada: Client, site: Site, follow: Callable[..., Any]
) -> None:
    source = follow("crawl", urls=[site.url + "/"])
    source.policy = FetchPolicy()
    response = ada.post(LIST, {"action": "sync_now", "_selected_action": str(source.source.pk)}, follow=True)
    assert "1 source will be synchronised." in response.content.decode()
    assert source.sync() == "failing"
    page = ada.get(LIST).content.decode()
    assert "address_refused" in page
    assert "failing" in page


def test_a_retired_source_leaves_search_and_keeps_its_versions(
    cast: Cast, ada: Client, site: Site, follow: Callable[..., Any]
) -> None:
    site.page("/", "<p>Lamps are returned within 30 days.</p>")
    source = follow("crawl", urls=[site.url + "/"])
    source.pass_over()
    response = ada.post(LIST, {"action": "retire", "_selected_action": str(source.source.pk)}, follow=True)
    assert "1 article left search." in response.content.decode()
    with tenant_scope(cast.acme.pk):
        document = Document.objects.get()
        assert (document.state, document.versions.count()) == (State.FAILED, 1)
    row = source.row()
    assert (row.state, row.next_sync_at) == (SourceState.IDLE, None)


@pytest.mark.threat("T1")
def test_sources_of_other_tenants_are_not_there(cast: Cast, follow: Callable[..., Any], site: Site) -> None:
    source = follow("crawl", urls=[site.url + "/"])
    client = Client()
    client.force_login(cast.mallory, backend="allauth.account.auth_backends.AuthenticationBackend")
    address = f"{LIST}{source.source.pk}/change/"
    client.post(address, form(cast, name="Mine", settings={"urls": ["https://mallory.example/"]}))
    client.post(LIST, {"action": "retire", "_selected_action": str(source.source.pk)})
    assert source.row().name == "crawl"
    assert client.get(address).status_code == 302
