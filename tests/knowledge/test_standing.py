"""Articles that say of themselves that they are outdated, and what holds in their place."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from accounts.tenancy import tenant_scope
from gateway.client import embed_sync
from gateway.types import Caller
from knowledge.converters import convert
from knowledge.models import Document
from knowledge.retrieval.retriever import retrieve
from knowledge.standing import standing
from knowledge.types import Hit
from tests.conftest import PASSWORD, Cast

NOTICE = "**Outdated.** These are the terms of 2025. For current ones read [Returning a lamp](/returns)."
OLD = ("Returning a lamp in 2025", f"{NOTICE}\n\nYou can return a lamp within 14 days of delivery. Keep the receipt.")
NEW = ("Returning a lamp", "You can return a lamp within 30 days of delivery. Keep the receipt.")


def found(cast: Cast, question: str) -> list[Hit]:
    (vector,) = embed_sync(Caller(tenant_id=cast.acme.pk, purpose="evaluate"), [question], kind="query")
    with tenant_scope(cast.acme.pk):
        return retrieve(question, vector, tenant_id=cast.acme.pk, visibilities=["public"])


@pytest.mark.parametrize(
    "text",
    [
        "---\nstatus: outdated\n---\n\nYou can return a lamp.",
        "---\nsuperseded_by: returns.md\n---\n\nYou can return a lamp.",
        "# Lamps\n\n**Outdated.** Read the other one.",
        "> Deprecated: read the other one.\n\nYou can return a lamp.",
        "# Lamps\n\nPlease note that this article is no longer current.",
        "# Lampen\n\nDiese Seite ist veraltet..",
    ],
)
def test_an_article_that_says_so_is_outdated(text: str) -> None:
    assert standing(convert(text.encode(), name="lamps.md")).outdated


@pytest.mark.parametrize(
    "text",
    [
        "# Lamps\n\nOutdated lamps can be returned. Deprecated bulbs cannot.",
        "---\nstatus: published\n---\n\nYou can return a lamp.",
        "# Lamps\n\nOne.\n\nTwo.\n\nThree.\n\nFour.\n\nIn 2024 this page was replaced.",
    ],
)
def test_an_article_that_speaks_of_outdated_things_is_not(text: str) -> None:
    assert not standing(convert(text.encode(), name="lamps.md")).outdated


def test_the_successor_is_found_and_not_what_it_replaced(cast: Cast, learn: Callable[..., None]) -> None:
    learn(OLD, NEW)
    titles = {hit.title for hit in found(cast, "How long do I have to return a lamp?")}
    assert titles == {NEW[0]}


def test_what_asks_for_the_old_terms_still_finds_them(cast: Cast, learn: Callable[..., None]) -> None:
    learn(OLD, NEW)
    old = [hit for hit in found(cast, "How long could a lamp be returned in 2025?") if hit.outdated]
    assert {hit.title for hit in old} == {OLD[0]}


def test_an_outdated_article_is_found_where_nothing_took_its_place(cast: Cast, learn: Callable[..., None]) -> None:
    learn(OLD, ("Opening hours", "The shop is open from nine to five."))
    assert found(cast, "How long do I have to return a lamp?")[0].outdated


def test_an_article_that_becomes_current_again_is_no_longer_outdated(cast: Cast, learn: Callable[..., None]) -> None:
    learn(OLD)
    learn((OLD[0], NEW[1]))
    with tenant_scope(cast.acme.pk):
        assert not Document.objects.get().outdated


def test_the_page_of_an_outdated_article_leads_to_its_successor(cast: Cast, learn: Callable[..., None]) -> None:
    learn(OLD, NEW)
    client = Client()
    assert client.login(email="alice@example.com", password=PASSWORD)
    with tenant_scope(cast.acme.pk):
        old, new = (str(Document.objects.get(title=title).pk) for title in (OLD[0], NEW[0]))
    page = client.get(f"/t/acme/articles/{old}/").content.decode()
    assert "This article says of itself that it is outdated." in page
    assert f"/t/acme/articles/{new}/" in page
    assert "outdated" not in client.get(f"/t/acme/articles/{new}/").content.decode()
