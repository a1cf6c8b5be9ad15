"""Articles that a program sends, with an API key."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from accounts.models import ApiKey
from accounts.tenancy import tenant_scope
from knowledge import pushing, tasks
from knowledge.models import Document, DocumentVersion, IdempotentCall, Source
from knowledge.tasks import index_document
from tests.conftest import Cast

PATH = "/api/t/acme/knowledge/documents"
LAMPS = {
    "external_id": "kb/17",
    "text": "# Returns\n\nLamps are returned within 30 days.",
    "url": "https://a.example/17",
}


@pytest.fixture(autouse=True)
def queued(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    ids: list[str] = []
    monkeypatch.setattr(pushing, "_enqueue", lambda tenant_id, document_id: ids.append(document_id))
    return ids


@pytest.fixture
def call(cast: Cast) -> Callable[..., Any]:
    texts: dict[tuple[str, ...], str] = {}

    def called(
        method: str, path: str = PATH, body: Any = None, *, who: str = "adam", scope: str = "knowledge", key: str = ""
    ) -> Any:
        if (who, scope) not in texts:
            with tenant_scope(cast.acme.pk):
                owner = getattr(cast, who)
                texts[who, scope] = ApiKey.issue(tenant=cast.acme, owner=owner, name="CMS", scopes=[scope])[1]
        headers = {"Authorization": f"Bearer {texts[who, scope]}", **({"Idempotency-Key": key} if key else {})}
        return Client().generic(method, path, json.dumps(body), content_type="application/json", headers=headers)

    return called


def many(*articles: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"documents": list(articles), **more}


def test_articles_are_sent_in_bulk_followed_and_taken_out(cast: Cast, call: Callable[..., Any], queued: Any) -> None:
    internal = {"external_id": "kb/18", "text": "Staff may extend it.", "visibility": "internal", "title": "Extensions"}
    answer = call("POST", body=many(LAMPS, internal, source="CMS"))
    assert [(each["external_id"], each["state"], each["changed"]) for each in answer.json()["items"]] == [
        ("kb/17", "pending", True),
        ("kb/18", "pending", True),
    ]
    for document in queued:
        assert index_document(cast.acme.pk, document) == "indexed"
    one = f"{PATH}/{queued[0]}"
    shown = call("GET", one).json()
    assert (shown["state"], shown["title"], shown["url"], shown["source"]) == (
        "indexed",
        "Returns",
        "https://a.example/17",
        "CMS",
    )
    listed = call("GET", PATH + "?source=CMS&state=indexed&external_id=kb/18").json()
    assert (listed["total"], listed["items"][0]["visibility"]) == (1, "internal")
    assert [each["changed"] for each in call("POST", body=many(LAMPS, source="CMS")).json()["items"]] == [False]
    for _twice in range(2):
        assert call("DELETE", one).json()["code"] == "source_gone"
    with tenant_scope(cast.acme.pk):
        assert Document.objects.get(pk=queued[0]).passages.count() == 0
        assert DocumentVersion.objects.count() == 2
    assert call("POST", body=many(LAMPS, source="CMS")).json()["items"][0]["changed"], "sent again, it comes back"


@pytest.mark.threat("R10")
def test_a_key_has_one_effect_and_one_answer(cast: Cast, call: Callable[..., Any], queued: list[str]) -> None:
    first = call("POST", body=many(LAMPS), key="a-1")
    assert index_document(cast.acme.pk, queued[0]) == "indexed"
    again = call("POST", body=many(LAMPS), key="a-1")
    assert (again.status_code, again.json()) == (first.status_code, first.json())
    changed = call("POST", body=many({**LAMPS, "text": "Other"}), key="a-1")
    assert (changed.status_code, changed.json()["code"]) == (409, "key_reused")
    assert len(queued) == 1
    assert call("POST", body=many({**LAMPS, "text": "Other"}), key="a-1", who="ada").status_code == 200, "hers"


@pytest.mark.threat("R10")
def test_a_key_that_is_sent_twice_at_once_has_one_effect(cast: Cast, call: Callable[..., Any], queued: Any) -> None:
    call("GET")  # makes the API key

    def send(_: int) -> Any:
        try:
            return call("POST", body=many(LAMPS), key="a-2").json()
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as workers:
        answers = list(workers.map(send, range(4)))
    assert all(answer == answers[0] for answer in answers)
    assert len(queued) == 1


@pytest.mark.threat("R10")
def test_a_call_that_fails_does_not_use_its_key_up(cast: Cast, call: Callable[..., Any]) -> None:
    with tenant_scope(cast.acme.pk):
        Source.objects.create(tenant=cast.acme, name="Help", kind="crawl")
    refused = call("POST", body=many(LAMPS, source="Help"), key="a-3")
    assert (refused.status_code, refused.json()["code"]) == (409, "not_an_api_source")
    assert call("POST", body=many(LAMPS), key="a-3").status_code == 200


def test_keys_are_forgotten_after_a_day(cast: Cast, call: Callable[..., Any]) -> None:
    call("POST", body=many(LAMPS), key="a-4")
    with tenant_scope(cast.acme.pk):
        IdempotentCall.objects.update(created_at=timezone.now() - timedelta(hours=25))
    tasks.sweep_sources()
    with tenant_scope(cast.acme.pk):
        assert IdempotentCall.objects.count() == 0


def test_customers_and_keys_for_something_else_change_nothing(cast: Cast, call: Callable[..., Any]) -> None:
    for method in ("POST", "GET"):
        answer = call(method, body=many(LAMPS), who="alice")
        assert (answer.status_code, answer.json()["code"]) == (403, "staff_only")
    assert call("POST", body=many(LAMPS), scope="ask").json()["code"] == "scope_missing"
    with tenant_scope(cast.acme.pk):
        assert Document.objects.count() == 0


@pytest.mark.parametrize(
    "body",
    [
        {},
        many(),
        many({"external_id": "", "text": "x"}),
        many({"external_id": "a"}),
        many({**LAMPS, "url": "javascript:alert(1)"}),
        many({**LAMPS, "visibility": "all"}),
        many({**LAMPS, "external_id": "a\x00"}),
        many(*[LAMPS] * 101),
    ],
)
def test_what_is_no_article_is_refused_with_the_field(call: Callable[..., Any], body: Any) -> None:
    answer = call("POST", body=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
    assert answer.json()["fields"]


@pytest.mark.threat("T1")
@pytest.mark.parametrize("stated", ["public", "internal", ""])
def test_what_an_article_says_of_itself_opens_it_to_nobody(
    cast: Cast, call: Callable[..., Any], queued: Any, stated: str
) -> None:
    text = f"---\nvisibility: {stated}\n---\n# Extensions\n\nStaff may extend the return of a lamp."
    call("POST", body=many({"external_id": "kb/19", "text": text, "visibility": "internal"}))
    assert index_document(cast.acme.pk, queued[0]) == "indexed"
    with tenant_scope(cast.acme.pk):
        assert Document.objects.get(external_id="kb/19").visibility == "internal"
