"""Tickets in Django admin: to read, each tenant its own."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts.tenancy import tenant_scope
from tests.conftest import Cast
from tickets import actions
from tickets.models import Draft, DraftState, Ticket

PAGES = ("ticket", "ticketmessage", "draft")


@pytest.fixture
def sent(cast: Cast, ticket: Ticket) -> None:
    with tenant_scope(cast.acme.pk):
        Draft.objects.update(state=DraftState.READY, text="You have 30 days.")
        actions.reply(ticket, actor=cast.actor("adam"), text="You have 40 days.", draft=Draft.objects.get())


def page(client: Client, name: str) -> str:
    answer = client.get(f"/admin/tickets/{name}/")
    assert answer.status_code == 200
    return answer.content.decode()


def test_an_admin_reads_the_tickets_and_how_much_of_a_draft_was_changed(cast: Cast, sent: None) -> None:
    client = Client()
    client.force_login(cast.ada)
    for name in PAGES:
        assert "Returning my lamp" in page(client, name)
    assert "6%" in page(client, "ticketmessage")
    assert client.get(f"/admin/tickets/ticket/{_ticket(cast)}/change/").status_code == 200
    assert client.post(f"/admin/tickets/ticket/{_ticket(cast)}/change/", {"subject": "x"}).status_code == 403


@pytest.mark.threat("T1")
def test_another_tenants_admin_reads_none_of_it(cast: Cast, sent: None) -> None:
    client = Client()
    client.force_login(cast.mallory)
    for name in PAGES:
        assert "Returning my lamp" not in page(client, name)


def _ticket(cast: Cast) -> str:
    with tenant_scope(cast.acme.pk):
        return str(Ticket.objects.get().pk)
