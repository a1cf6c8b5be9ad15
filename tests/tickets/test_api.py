"""Tickets by API: each sees what is theirs to see, and a retry does nothing twice."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from django.test import AsyncClient, Client

from accounts.models import ApiKey, Membership, Role, User
from accounts.tenancy import in_database, tenant_scope
from tests.conftest import PASSWORD, Cast
from tests.tickets.conftest import QUESTION, RETURNS
from tickets import actions
from tickets.models import Draft, DraftState, Kind, Ticket, TicketMessage

HERE = "/api/t/acme/tickets"


class Caller:
    """Speaks JSON as one of the cast."""

    def __init__(self, user: User) -> None:
        self.client = Client()
        self.client.force_login(user)

    def __call__(self, method: str, path: str, **body: Any) -> Any:
        return self.client.generic(method, HERE + path, json.dumps(body), content_type="application/json")


@pytest.fixture
def alice(cast: Cast) -> Caller:
    return Caller(cast.alice)


@pytest.fixture
def adam(cast: Cast) -> Caller:
    return Caller(cast.adam)


@pytest.fixture
def bob(cast: Cast) -> Caller:
    """Another customer of the same company."""
    user = User.objects.create_user("bob@example.com", PASSWORD, name="Bob")
    with tenant_scope(cast.acme.pk):
        Membership.objects.create(tenant=cast.acme, user=user, role=Role.CUSTOMER)
    return Caller(user)


@pytest.fixture
def draft(cast: Cast, ticket: Ticket) -> Draft:
    with tenant_scope(cast.acme.pk):
        found: Draft = Draft.objects.get()
        found.state, found.text = DraftState.READY, "You have 30 days. [1]"
        quote = {"document": "d", "version": "v", "url": "", "start": 0, "end": 7, "quote": "30 days"}
        citations = [{"marker": 1, "title": "Returning a lamp", **quote}]
        found.answer = {"status": "answered", "reason": "", "citations": citations}
        found.save()
    return found


def code(response: Any) -> tuple[int, str]:
    return response.status_code, response.json()["code"]


@pytest.mark.threat("R10")
def test_opening_again_with_the_same_id_is_opening_once(cast: Cast, alice: Caller) -> None:
    body = {"subject": "Lamp", "text": "It is broken.", "id": str(uuid.uuid4())}
    first, again = alice("POST", "", **body).json(), alice("POST", "", **body).json()
    assert first["id"] == again["id"] == body["id"]
    assert alice("GET", "").json()["total"] == 1
    assert code(alice("POST", "", **{**body, "text": "Changed"})) == (409, "id_taken")


def test_a_customer_sees_the_thread_without_notes_changes_and_unreleased_replies(
    cast: Cast, ticket: Ticket, alice: Caller, adam: Caller
) -> None:
    adam("POST", "/1/notes", text="Careful, a reseller.")
    adam("PUT", "/1/assignee", user="me")
    sent = adam("POST", "/1/replies", text="Thirty days.").json()
    assert [each["kind"] for each in alice("GET", "/1").json()["messages"]] == ["customer"]
    assert alice("GET", "?q=reseller").json()["total"] == 0
    assert alice("GET", "?q=thirty").json()["total"] == 0
    with tenant_scope(cast.acme.pk):
        released = TicketMessage.objects.filter(pk=sent["id"])
        released.update(released_at=released.get().created_at)
    seen = alice("GET", "/1").json()["messages"]
    assert [each["text"] for each in seen] == [QUESTION, "Thirty days."]
    assert not {"draft", "distance", "released_at"} & seen[1].keys()
    assert "adam@example.com" not in json.dumps(seen)
    kinds = [each["kind"] for each in adam("GET", "/1").json()["messages"]]
    assert kinds == ["customer", "note", "system", "agent"]


@pytest.mark.threat("T1")
def test_another_customers_ticket_is_not_there(cast: Cast, ticket: Ticket, draft: Draft, bob: Caller) -> None:
    assert bob("GET", "").json() == {"total": 0, "items": []}
    attempts = [
        bob("GET", "/1"),
        bob("POST", "/1/messages", text="Hello"),
        bob("POST", "/1/replies", text="Hello"),
        bob("POST", "/1/notes", text="Hello"),
        bob("PUT", "/1/assignee", user="me"),
        bob("PUT", "/1/state", state="solved"),
        bob("GET", "/1/draft"),
        bob("POST", "/1/draft"),
        bob("POST", "/1/draft/stream"),
        bob("DELETE", f"/1/drafts/{draft.pk}"),
        bob("GET", "/1/unsent"),
        bob("PUT", "/1/unsent", text="x"),
    ]
    assert {code(each) for each in attempts} == {(404, "not_found")}


def test_what_agents_do_is_refused_to_the_customer(cast: Cast, ticket: Ticket, draft: Draft, alice: Caller) -> None:
    attempts = [
        alice("POST", "/1/replies", text="Hello"),
        alice("POST", "/1/notes", text="Hello"),
        alice("PUT", "/1/assignee", user="me"),
        alice("PUT", "/1/state", state="closed"),
        alice("GET", "/1/draft"),
        alice("POST", "/1/draft"),
        alice("POST", "/1/draft/stream"),
        alice("DELETE", f"/1/drafts/{draft.pk}"),
        alice("GET", "/1/unsent"),
        alice("PUT", "/1/unsent", text="x"),
    ]
    assert {code(each) for each in attempts} == {(403, "not_allowed")}


@pytest.mark.threat("R10")
def test_a_reply_is_sent_once_and_keeps_its_distance(cast: Cast, draft: Draft, adam: Caller) -> None:
    body = {"text": "You have 30 days. [1]", "draft": str(draft.pk), "seen": 1, "id": str(uuid.uuid4())}
    first, again = adam("POST", "/1/replies", **body).json(), adam("POST", "/1/replies", **body).json()
    assert first == again
    assert (first["distance"], first["draft"]) == (0.0, str(draft.pk))
    assert first["citations"][0]["title"] == "Returning a lamp"
    assert code(adam("POST", "/1/replies", **{**body, "text": "Other"})) == (409, "id_taken")
    assert code(adam("POST", "/1/replies", **{**body, "draft": None})) == (409, "id_taken")
    assert adam("GET", "/1").json()["state"] == "pending"


def test_a_reply_past_an_unseen_message_is_refused(cast: Cast, ticket: Ticket, alice: Caller, adam: Caller) -> None:
    alice("POST", "/1/messages", text="One more thing.")
    assert code(adam("POST", "/1/replies", text="Thirty days.", seen=1)) == (409, "customer_wrote")


def test_a_reply_is_taken_back_into_the_box(cast: Cast, draft: Draft, adam: Caller) -> None:
    sent = adam("POST", "/1/replies", text="You have", draft=str(draft.pk)).json()
    unsent = adam("POST", f"/1/messages/{sent['id']}/take-back").json()
    assert (unsent["text"], unsent["draft"]) == ("You have", str(draft.pk))
    assert adam("GET", "/1/unsent").json()["text"] == "You have"
    assert adam("GET", "/1/draft").json()["state"] == "ready"
    assert code(adam("POST", f"/1/messages/{sent['id']}/take-back")) == (404, "not_found")


@pytest.mark.threat("T2")
def test_ids_in_bodies_are_of_this_ticket_and_this_company(cast: Cast, draft: Draft, adam: Caller) -> None:
    with tenant_scope(cast.acme.pk):
        actions.open_ticket(actor=cast.actor("alice"), subject="Other", text="Another matter.")
    assert code(adam("POST", "/2/replies", text="x", draft=str(draft.pk))) == (404, "not_found")
    assert code(adam("PUT", "/2/unsent", text="x", draft=str(draft.pk))) == (404, "not_found")
    assert code(adam("DELETE", f"/2/drafts/{draft.pk}")) == (404, "not_found")
    assert code(adam("PUT", "/2/assignee", user=cast.mallory.pk)) == (422, "not_an_agent")
    assert code(adam("PUT", "/2/assignee", user=cast.alice.pk)) == (422, "not_an_agent")
    assert code(adam("POST", "", conversation=str(uuid.uuid4()))) == (404, "not_found")


def test_a_draft_is_asked_for_anew_and_discarded(cast: Cast, draft: Draft, adam: Caller, queued: list[str]) -> None:
    fresh = adam("POST", "/1/draft").json()
    assert fresh["state"] == "waiting"
    assert queued[-1] == fresh["id"]
    assert adam("DELETE", f"/1/drafts/{fresh['id']}").json()["state"] == "discarded"
    assert adam("GET", "/1/draft").json() is None


def test_a_closed_ticket_takes_no_more(cast: Cast, ticket: Ticket, alice: Caller, adam: Caller) -> None:
    adam("PUT", "/1/state", state="closed")
    attempts = [
        alice("POST", "/1/messages", text="Wait"),
        adam("POST", "/1/replies", text="Wait"),
        adam("POST", "/1/draft"),
        adam("POST", "/1/draft/stream"),
    ]
    assert {code(each) for each in attempts} == {(409, "wrong_state")}


def test_the_list_is_filtered_searched_and_cut(cast: Cast, ticket: Ticket, adam: Caller) -> None:
    with tenant_scope(cast.acme.pk):
        for index in range(3):
            actions.open_ticket(actor=cast.actor("alice"), subject=f"Other {index}", text="Another matter.")
    adam("PUT", "/1/assignee", user="me")
    adam("PUT", "/2/state", state="closed")
    totals = {
        query: adam("GET", query).json()["total"]
        for query in ("", "?assignee=me", "?assignee=none", f"?assignee={cast.adam.pk}", "?state=closed", "?q=return")
    }
    assert list(totals.values()) == [4, 1, 3, 1, 1, 1]
    page = adam("GET", "?limit=2&offset=3").json()
    assert (page["total"], len(page["items"])) == (4, 1)


@pytest.mark.threat("T11")
@pytest.mark.parametrize(
    "query", ["?state=lost", "?assignee=you", "?limit=1000", "?offset=-1", "?q=%00", "/0", "/99999999999"]
)
def test_nonsense_is_refused_with_a_code(cast: Cast, adam: Caller, query: str) -> None:
    assert code(adam("GET", query)) == (422, "invalid_input")


def test_a_key_without_the_scope_stays_out(cast: Cast, ticket: Ticket) -> None:
    with tenant_scope(cast.acme.pk):
        _, wrong = ApiKey.issue(tenant=cast.acme, owner=cast.adam, name="asks", scopes=["ask"])
        _, right = ApiKey.issue(tenant=cast.acme, owner=cast.adam, name="desk", scopes=["tickets"])
    client = Client()
    assert code(client.get(HERE, headers={"Authorization": f"Bearer {wrong}"})) == (403, "scope_missing")
    assert client.get(HERE, headers={"Authorization": f"Bearer {right}"}).json()["total"] == 1


async def stream(cast: Cast, user: User) -> AsyncIterator[dict[str, Any]]:
    client = AsyncClient()
    await client.aforce_login(user)
    response = await client.post(f"{HERE}/1/draft/stream", {}, content_type="application/json")
    assert response["Content-Type"] == "text/event-stream"
    async for chunk in response.streaming_content:
        yield json.loads(chunk.decode().split("data: ")[1])


async def test_a_draft_is_written_on_demand_while_the_agent_reads_along(
    cast: Cast, ticket: Ticket, learn: Callable[..., None]
) -> None:
    await in_database(learn, RETURNS)
    events = [event async for event in stream(cast, cast.adam)]
    assert [event["n"] for event in events] == list(range(1, len(events) + 1))
    kinds = [event["type"] for event in events]
    assert kinds[:3] == ["accepted", "progress", "sources"]
    assert {"delta", "citation"} <= set(kinds)
    assert kinds[-1] == "final"
    assert "30 days" in events[-1]["answer"]["answer"]
    saved = await in_database(drafts, cast)
    assert [(each.state, each.text) for each in saved] == [(DraftState.READY, events[-1]["answer"]["answer"])]


@pytest.mark.threat("P6")
async def test_a_draft_is_saved_when_its_reader_leaves_and_sent_to_nobody(
    cast: Cast, ticket: Ticket, learn: Callable[..., None]
) -> None:
    await in_database(learn, RETURNS)
    events = stream(cast, cast.adam)
    await anext(events)
    await events.aclose()  # type: ignore[attr-defined]
    for _ in range(100):
        saved = await in_database(drafts, cast)
        if saved[0].state == DraftState.READY:
            break
        await asyncio.sleep(0.1)
    assert "30 days" in saved[0].text
    assert not await in_database(replies, cast)


def drafts(cast: Cast) -> list[Draft]:
    with tenant_scope(cast.acme.pk):
        return list(Draft.objects.all())


def replies(cast: Cast) -> list[TicketMessage]:
    with tenant_scope(cast.acme.pk):
        return list(TicketMessage.objects.filter(kind=Kind.AGENT))
