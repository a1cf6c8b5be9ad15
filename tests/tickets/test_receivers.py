"""A customer asks for a person in a chat: one ticket, with all that was said."""

from __future__ import annotations

import pytest

from accounts.permissions import Actor
from accounts.tenancy import tenant_scope
from assistant.models import Conversation, Message
from assistant.signals import person_requested
from tests.conftest import Cast
from tickets import actions
from tickets.errors import NotAllowed, WrongState
from tickets.models import Draft, DraftState, Kind, State, Ticket, TicketMessage

CITATION = {"marker": 1, "title": "Returning a lamp", "quote": "within 30 days"}


@pytest.fixture
def chat(cast: Cast) -> Conversation:
    with tenant_scope(cast.acme.pk):
        chat: Conversation = Conversation.objects.create(tenant=cast.acme, user=cast.alice, title="Returning a lamp")
        turns = [("user", "How long do I have?", {}), ("assistant", "30 days. [1]", {"citations": [CITATION]})]
        for number, (role, text, final) in enumerate(turns, 1):
            Message.objects.create(
                tenant=cast.acme, conversation=chat, number=number, role=role, text=text, final=final
            )
    return chat


def ask(cast: Cast, chat: Conversation, note: str = "", actor: Actor | None = None) -> None:
    with tenant_scope(cast.acme.pk):
        person_requested.send(Conversation, conversation=chat, actor=actor or cast.actor("alice"), note=note)


def said(cast: Cast) -> list[tuple[str, str]]:
    with tenant_scope(cast.acme.pk):
        return list(TicketMessage.objects.values_list("kind", "text"))


def test_the_ticket_holds_the_chat_and_its_sources_and_says_nothing_twice(cast: Cast, chat: Conversation) -> None:
    ask(cast, chat)
    assert said(cast) == [(Kind.CUSTOMER, "How long do I have?"), (Kind.ASSISTANT, "30 days. [1]")]
    with tenant_scope(cast.acme.pk):
        assert TicketMessage.objects.get(kind=Kind.ASSISTANT).citations == [CITATION]
        assert Ticket.objects.get().subject == "Returning a lamp"
        assert Draft.objects.get().state == DraftState.WAITING


def test_a_note_comes_last(cast: Cast, chat: Conversation) -> None:
    ask(cast, chat, "I need longer.")
    assert said(cast)[-1] == (Kind.CUSTOMER, "I need longer.")


def test_a_note_that_is_the_chats_only_message_is_said_once(cast: Cast) -> None:
    with tenant_scope(cast.acme.pk):
        chat = Conversation.objects.create(tenant=cast.acme, user=cast.alice, title="Call me")
        Message.objects.create(tenant=cast.acme, conversation=chat, number=1, role="user", text="Call me")
    ask(cast, chat, "Call me")
    assert said(cast) == [(Kind.CUSTOMER, "Call me")]


@pytest.mark.threat("R10")
def test_asking_twice_is_asking_once(cast: Cast, chat: Conversation) -> None:
    ask(cast, chat)
    ask(cast, chat)
    with tenant_scope(cast.acme.pk):
        assert Ticket.objects.count() == 1
        assert Draft.objects.count() == 1


def test_a_later_note_is_added_to_the_open_ticket(cast: Cast, chat: Conversation) -> None:
    ask(cast, chat)
    ask(cast, chat, "Are you there?")
    assert said(cast)[-1] == (Kind.CUSTOMER, "Are you there?")
    assert len(said(cast)) == 3


def test_after_it_was_closed_a_new_one_is_opened_and_the_old_stays_closed(cast: Cast, chat: Conversation) -> None:
    ask(cast, chat)
    with tenant_scope(cast.acme.pk):
        first = Ticket.objects.get()
        actions.change_state(first, actor=cast.actor("adam"), state=State.CLOSED)
    ask(cast, chat)
    with tenant_scope(cast.acme.pk):
        assert Ticket.objects.count() == 2
        with pytest.raises(WrongState):
            actions.change_state(first, actor=cast.actor("adam"), state=State.OPEN)


@pytest.mark.threat("T2")
def test_nobody_opens_a_ticket_of_anothers_chat(cast: Cast, chat: Conversation) -> None:
    with pytest.raises(NotAllowed):
        ask(cast, chat, actor=cast.actor("adam"))
