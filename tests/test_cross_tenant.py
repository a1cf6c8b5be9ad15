"""Every route of the API, every page and every record of the admin, asked for by a stranger: the lists
are the OpenAPI document's, the URL configuration's and the admin's own, the ids are those of things
that are there."""

from __future__ import annotations

import json
import re
import uuid
from typing import Any

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.utils import timezone

from accounts.admin_site import TenantScopedAdmin
from accounts.models import ApiKey, Tenant, TenantModel
from accounts.tenancy import tenant_scope
from assistant.models import Conversation, Feedback, Message
from config.api import api
from gateway.models import (
    AlertWebhook,
    AuditPolicy,
    AuditRecord,
    Batch,
    Budget,
    CachePolicy,
    DoorPolicy,
    RedactionPolicy,
)
from gateway.routing import policies
from gateway.routing.policy import Policy
from knowledge.models import Document, Source
from tests.conftest import PASSWORD, Cast
from tests.gateway.test_audit import write
from tickets import actions
from tickets.models import Draft, DraftState, Kind, State, Ticket, UnsentReply

ROUTES = [
    (method.upper(), path)
    for path, operations in api.get_openapi_schema()["paths"].items()
    for method in operations
    if "{tenant}" in path
]
WITH_BODY = {"/api/t/{tenant}/ask", "/api/t/{tenant}/ask/stream", "/api/t/{tenant}/tickets"}  # that may hold ids


def pages(patterns: Any, above: str = "") -> list[str]:
    """The addresses of pages within a tenant, with {folder}/{parameter} as the API writes them."""
    found = []
    for each in patterns:
        path = above + str(each.pattern)
        if isinstance(each, URLResolver):
            found += pages(each.url_patterns, path)
        elif isinstance(each, URLPattern) and path.startswith("t/<slug:tenant>/"):
            found.append("/" + re.sub(r"<\w+:(\w+)>", r"{\1}", path))
    return found


PAGES = pages(get_resolver().url_patterns)
TENANTS_RECORDS = [
    model
    for model, each in admin.site._registry.items()
    if isinstance(each, TenantScopedAdmin) and issubclass(model, (Tenant, TenantModel))
]


@pytest.fixture
def ids(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What stands for each parameter of a path, and for the ids in bodies: acme's own."""
    monkeypatch.setattr(actions, "_enqueue", lambda tenant_id, draft_id: None)
    with tenant_scope(cast.acme.pk):
        chat = Conversation.objects.create(tenant=cast.acme, user=cast.alice, title="Chat")
        answer = Message.objects.create(tenant=cast.acme, conversation=chat, number=1, role="assistant", text="Yes.")
        ticket = actions.open_ticket(actor=cast.actor("alice"), subject="Lamp", text="It is broken.")
        draft = Draft.objects.get()
        reply = actions.reply(ticket, actor=cast.actor("adam"), text="We are sorry.")
        source = Source.objects.create(tenant=cast.acme, name="Lamps")
        document = Document.objects.create(tenant=cast.acme, source=source, external_id="lamp", title="Lamps")
        Budget.objects.create(tenant=cast.acme, limit=20)
        AlertWebhook.objects.create(tenant=cast.acme, url="https://hooks.example.com/lamps")
        AuditPolicy.objects.create(tenant=cast.acme, days=365)
        policies.save(cast.acme.pk, policies.Edit(Policy(), "tests", based_on=0))
        Batch.objects.create(pk=uuid.uuid4(), tenant=cast.acme, label="Lamps", created_at=timezone.now())
        DoorPolicy.objects.create(tenant=cast.acme, blocked_repositories="acme/lamps")
        RedactionPolicy.objects.create(tenant=cast.acme, cleared=[])
        CachePolicy.objects.create(tenant=cast.acme)
        ApiKey.issue(tenant=cast.acme, owner=cast.adam, name="CRM", scopes=["ask"])
    write(cast)
    return {
        "conversation": chat.pk,
        "conversation_id": chat.pk,
        "message_id": answer.pk,
        "document_id": document.pk,
        "answers": answer.pk,
        "messages": reply.pk,
        "number": ticket.number,
        "draft": draft.pk,
        "user": cast.adam.pk,
    }


def call(client: Client, method: str, path: str, ids: dict[str, Any]) -> Any:
    def value(match: re.Match[str]) -> str:
        name = match["name"]
        return str(ids.get(name) or ids.get(match["folder"]) or uuid.uuid4())

    address = re.sub(r"(?P<folder>[\w-]+)/\{(?P<name>\w+)\}", lambda m: f"{m['folder']}/{value(m)}", path)
    body = {
        "question": "What is the warranty?",
        "value": "up",
        "text": "Hello",
        "state": "closed",
        "user": ids.get("user"),
        "draft": str(ids.get("draft", uuid.uuid4())),
        "conversation": str(ids.get("conversation", uuid.uuid4())),
        "documents": [{"external_id": "lamp", "text": "Lamps"}],
    }
    if path.startswith("/api/"):
        return client.generic(method, address, json.dumps(body), content_type="application/json")
    return client.post(address, body) if method == "POST" else client.get(address)


def test_there_are_routes_to_try() -> None:
    assert len(ROUTES) >= 20


@pytest.mark.threat("T1", "T2")
@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_a_stranger_finds_nothing(cast: Cast, ids: dict[str, Any], method: str, path: str) -> None:
    response = call(mallory(), method, path, {**ids, "tenant": "acme"})
    assert (response.status_code, response.json()["code"]) == (404, "not_found")
    assert untouched(cast)


@pytest.mark.threat("T1", "T2")
@pytest.mark.parametrize(("method", "path"), [route for route in ROUTES if "{" in route[1].replace("{tenant}", "")])
def test_our_ids_are_nothing_in_a_tenant_of_their_own(cast: Cast, ids: dict[str, Any], method: str, path: str) -> None:
    response = call(mallory(), method, path, {**ids, "tenant": "mallory"})
    assert (response.status_code, response.json()["code"]) == (404, "not_found")
    assert untouched(cast)


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_without_a_session_or_key_one_is_asked_to_sign_in(cast: Cast, method: str, path: str) -> None:
    response = call(Client(), method, path, {"tenant": "acme", "number": 1})
    assert (response.status_code, response.json()["code"]) == (401, "not_signed_in")


@pytest.mark.threat("T2")
@pytest.mark.parametrize("path", sorted(WITH_BODY))
def test_our_ids_in_a_body_are_nothing_in_a_tenant_of_their_own(cast: Cast, ids: dict[str, Any], path: str) -> None:
    assert ("POST", path) in ROUTES
    response = call(mallory(), "POST", path, {**ids, "tenant": "mallory"})
    assert (response.status_code, response.json()["code"]) == (404, "not_found")
    assert untouched(cast)


def test_there_are_pages_and_records_to_try() -> None:
    assert len(PAGES) >= 20
    assert {AuditRecord, Document, Ticket, ApiKey} <= set(TENANTS_RECORDS)


@pytest.mark.threat("T1", "T2")
@pytest.mark.parametrize("path", PAGES)
def test_a_stranger_finds_no_page(cast: Cast, ids: dict[str, Any], path: str) -> None:
    answers = {
        method: call(mallory(), method, path, {**ids, "tenant": "acme"}).status_code for method in ("GET", "POST")
    }
    assert set(answers.values()) <= {404, 405}
    assert 404 in answers.values()
    assert untouched(cast)


@pytest.mark.threat("T1", "T2")
@pytest.mark.parametrize("path", PAGES)
def test_our_ids_lead_to_no_page_of_a_tenant_of_their_own(cast: Cast, ids: dict[str, Any], path: str) -> None:
    with_ids = "{" in path.replace("{tenant}", "")
    for method in ("GET", "POST"):
        response = call(mallory(), method, path, {**ids, "tenant": "mallory"})
        assert response.status_code in ({404, 405} if with_ids else {200, 302, 405, 422})
        assert b"Lamp" not in response.content
        assert str(ids["conversation"]).encode() not in response.content
    assert untouched(cast)


@pytest.mark.threat("T1")
@pytest.mark.parametrize("model", TENANTS_RECORDS, ids=lambda model: model.__name__)
def test_the_admin_of_another_tenant_finds_none_of_our_records(cast: Cast, ids: dict[str, Any], model: Any) -> None:
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
    client = mallory()
    with tenant_scope(cast.acme.pk):
        ours = [cast.acme.pk] if model is Tenant else list(model._base_manager.values_list("pk", flat=True))
    assert ours, "make one in `ids`"
    listed = client.get(reverse(f"{name}_changelist")).content.decode()
    for key in ours:
        address = reverse(f"{name}_change", args=[key])
        assert address not in listed
        found = client.get(address)
        assert found.status_code == 404 or found.headers.get("Location") == reverse("admin:index")


def mallory() -> Client:
    client = Client()
    assert client.login(email="mallory@example.com", password=PASSWORD)
    return client


def untouched(cast: Cast) -> bool:
    with tenant_scope(cast.acme.pk):
        ticket = Ticket.objects.get()
        kinds = list(ticket.messages.values_list("kind", flat=True))
        drafts = list(Draft.objects.values_list("state", flat=True))
        said = list(Message.objects.values_list("text", flat=True))
        others = Feedback.objects.count(), Conversation.objects.count(), UnsentReply.objects.count()
    tickets = (ticket.state, kinds, drafts) == (State.PENDING, [Kind.CUSTOMER, Kind.AGENT], [DraftState.DISCARDED])
    return tickets and said == ["Yes."] and others == (0, 1, 0)
