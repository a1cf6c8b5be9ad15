"""Every route of the API, asked by a stranger: the list is the OpenAPI document's own, the ids are
those of things that are there."""

from __future__ import annotations

import json
import re
import uuid
from typing import Any

import pytest
from django.test import Client

from accounts.tenancy import tenant_scope
from assistant.models import Conversation, Message
from config.api import api
from tests.conftest import PASSWORD, Cast
from tickets import actions
from tickets.models import Draft, DraftState, Kind, State, Ticket

ROUTES = [
    (method.upper(), path)
    for path, operations in api.get_openapi_schema()["paths"].items()
    for method in operations
    if "{tenant}" in path
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
    return {
        "conversation": chat.pk,
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

    address = re.sub(r"(?P<folder>\w+)/\{(?P<name>\w+)\}", lambda m: f"{m['folder']}/{value(m)}", path)
    body = {
        "question": "What is the warranty?",
        "value": "up",
        "text": "Hello",
        "state": "closed",
        "user": ids.get("user"),
        "draft": str(ids.get("draft", uuid.uuid4())),
        "conversation": str(ids.get("conversation", uuid.uuid4())),
    }
    return client.generic(method, address, json.dumps(body), content_type="application/json")


def test_there_are_routes_to_try() -> None:
    assert len(ROUTES) >= 20


@pytest.mark.threat("T1", "T2")
@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_a_stranger_finds_nothing(cast: Cast, ids: dict[str, Any], method: str, path: str) -> None:
    client = Client()
    client.login(email="mallory@example.com", password=PASSWORD)
    response = call(client, method, path, {**ids, "tenant": "acme"})
    assert (response.status_code, response.json()["code"]) == (404, "not_found")
    assert untouched(cast)


@pytest.mark.threat("T1", "T2")
@pytest.mark.parametrize(("method", "path"), [route for route in ROUTES if "{" in route[1].replace("{tenant}", "")])
def test_our_ids_are_nothing_in_a_tenant_of_their_own(cast: Cast, ids: dict[str, Any], method: str, path: str) -> None:
    client = Client()
    client.login(email="mallory@example.com", password=PASSWORD)
    response = call(client, method, path, {**ids, "tenant": "mallory"})
    assert (response.status_code, response.json()["code"]) == (404, "not_found")
    assert untouched(cast)


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_without_a_session_or_key_one_is_asked_to_sign_in(cast: Cast, method: str, path: str) -> None:
    response = call(Client(), method, path, {"tenant": "acme", "number": 1})
    assert (response.status_code, response.json()["code"]) == (401, "not_signed_in")


def untouched(cast: Cast) -> bool:
    with tenant_scope(cast.acme.pk):
        ticket = Ticket.objects.get()
        kinds = list(ticket.messages.values_list("kind", flat=True))
        drafts = list(Draft.objects.values_list("state", flat=True))
    return (ticket.state, kinds, drafts) == (State.PENDING, [Kind.CUSTOMER, Kind.AGENT], [DraftState.DISCARDED])
