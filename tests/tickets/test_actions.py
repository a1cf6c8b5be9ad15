"""What may be done with a ticket, by whom, and what follows."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from accounts.permissions import Actor
from accounts.tenancy import tenant_scope
from tests.conftest import Cast
from tickets import actions
from tickets.errors import (
    CustomerWrote,
    EmptyMessage,
    IdTaken,
    MessageTooLong,
    NotAllowed,
    NotAnAgent,
    TooLate,
    WrongState,
)
from tickets.models import Draft, DraftState, Kind, State, Ticket, TicketMessage, UnsentReply

CITATION = {"marker": 1, "title": "Returning a lamp", "quote": "within 30 days"}
DRAFTED = "You can return a lamp within 30 days. [1]"


@pytest.fixture(autouse=True)
def in_acme(cast: Cast) -> Iterator[None]:
    with tenant_scope(cast.acme.pk):
        yield


@pytest.fixture
def alice(cast: Cast) -> Actor:
    return cast.actor("alice")


@pytest.fixture
def adam(cast: Cast) -> Actor:
    return cast.actor("adam")


@pytest.fixture
def draft(ticket: Ticket) -> Draft:
    found: Draft = Draft.objects.get(ticket=ticket)
    found.state, found.text, found.answer = DraftState.READY, DRAFTED, {"citations": [CITATION]}
    found.save()
    return found


def states_of_drafts() -> list[str]:
    return list(Draft.objects.order_by("created_at").values_list("state", flat=True))


def test_a_new_ticket_has_its_number_its_words_and_a_draft_on_its_way(ticket: Ticket) -> None:
    assert (ticket.number, ticket.state) == (1, State.OPEN)
    assert [message.kind for message in ticket.messages.all()] == [Kind.CUSTOMER]
    assert states_of_drafts() == [DraftState.WAITING]


@pytest.mark.parametrize(
    ("text", "error"), [("", EmptyMessage), ("\x00 \n", EmptyMessage), ("x" * 20_001, MessageTooLong)]
)
def test_a_ticket_says_something_and_not_too_much(alice: Actor, text: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        actions.open_ticket(actor=alice, subject="Lamp", text=text)


@pytest.mark.threat("R10")
def test_opening_twice_with_one_id_opens_one_ticket(alice: Actor) -> None:
    key = uuid.uuid4()
    first = actions.open_ticket(actor=alice, subject="Lamp", text="It is broken.", ticket_id=key)
    again = actions.open_ticket(actor=alice, subject="Lamp", text="It is broken.", ticket_id=key)
    assert first == again
    assert Ticket.objects.count() == 1
    with pytest.raises(IdTaken):
        actions.open_ticket(actor=alice, subject="Lamp", text="Another thing.", ticket_id=key)


def test_a_word_from_the_customer_opens_it_again_and_asks_for_a_new_draft(
    ticket: Ticket, alice: Actor, adam: Actor
) -> None:
    actions.change_state(ticket, actor=adam, state=State.SOLVED)
    actions.customer_writes(ticket, actor=alice, text="It happened again.")
    assert Ticket.objects.get().state == State.OPEN
    assert states_of_drafts() == [DraftState.DISCARDED, DraftState.WAITING]


def test_nobody_else_writes_as_the_customer_and_nobody_to_a_closed_ticket(
    ticket: Ticket, alice: Actor, adam: Actor
) -> None:
    with pytest.raises(NotAllowed):
        actions.customer_writes(ticket, actor=adam, text="I am alice.")
    actions.change_state(ticket, actor=adam, state=State.CLOSED)
    with pytest.raises(WrongState):
        actions.customer_writes(ticket, actor=alice, text="Wait.")
    with pytest.raises(WrongState):
        actions.reply(ticket, actor=adam, text="Wait.")
    with pytest.raises(WrongState):
        actions.request_draft(ticket)


def test_a_reply_keeps_its_draft_its_citations_and_how_far_it_moved(ticket: Ticket, adam: Actor, draft: Draft) -> None:
    sent = actions.reply(ticket, actor=adam, text=DRAFTED, draft=draft)
    assert (sent.draft, sent.distance, sent.citations) == (draft, 0.0, [CITATION])
    assert states_of_drafts() == [DraftState.SENT]
    assert (Ticket.objects.get().state, Ticket.objects.get().assignee_id) == (State.PENDING, adam.user_id)


def test_an_edited_reply_loses_the_citations_it_no_longer_makes(ticket: Ticket, adam: Actor, draft: Draft) -> None:
    sent = actions.reply(ticket, actor=adam, text="Thirty days.", draft=draft, state=State.SOLVED)
    assert sent.citations == []
    assert sent.distance is not None
    assert 0.5 < sent.distance <= 1
    assert Ticket.objects.get().state == State.SOLVED


@pytest.mark.threat("P6")
def test_only_an_agents_reply_makes_a_message_of_an_agent(
    ticket: Ticket, alice: Actor, adam: Actor, draft: Draft
) -> None:
    with pytest.raises(NotAllowed):
        actions.reply(ticket, actor=alice, text=DRAFTED, draft=draft)
    actions.customer_writes(ticket, actor=alice, text="Hello?")
    actions.add_note(ticket, actor=adam, text="Look into this.")
    actions.keep_unsent(ticket, actor=adam, text="Almost done", draft=draft)
    actions.assign(ticket, actor=adam, user_id=adam.user_id)
    actions.change_state(ticket, actor=adam, state=State.CLOSED)
    assert not TicketMessage.objects.filter(kind=Kind.AGENT).exists()


@pytest.mark.threat("R10")
def test_a_reply_sent_twice_with_one_id_is_sent_once(ticket: Ticket, adam: Actor, alice: Actor) -> None:
    key = uuid.uuid4()
    first = actions.reply(ticket, actor=adam, text="Thirty days.", message_id=key, seen=1)
    actions.customer_writes(ticket, actor=alice, text="Thank you")
    again = actions.reply(ticket, actor=adam, text="Thirty days.", message_id=key, seen=1)
    assert first == again
    assert TicketMessage.objects.filter(kind=Kind.AGENT).count() == 1
    with pytest.raises(IdTaken):
        actions.reply(ticket, actor=adam, text="Forty days.", message_id=key)


def test_an_agent_who_was_writing_is_told_and_loses_nothing(
    ticket: Ticket, alice: Actor, adam: Actor, draft: Draft
) -> None:
    actions.keep_unsent(ticket, actor=adam, text="You can return it", draft=draft)
    actions.customer_writes(ticket, actor=alice, text="One more thing.")
    with pytest.raises(CustomerWrote):
        actions.reply(ticket, actor=adam, text="You can return it", draft=draft, seen=1)
    kept = UnsentReply.objects.get()
    assert (kept.text, kept.draft) == ("You can return it", draft)
    sent = actions.reply(ticket, actor=adam, text=DRAFTED, draft=draft, seen=2)
    assert (sent.draft, sent.citations) == (draft, [CITATION])
    assert set(states_of_drafts()) == {DraftState.SENT, DraftState.DISCARDED}
    assert not UnsentReply.objects.exists()


def test_one_draft_is_sent_once(ticket: Ticket, adam: Actor, cast: Cast, draft: Draft) -> None:
    actions.reply(ticket, actor=adam, text=DRAFTED, draft=draft)
    with pytest.raises(WrongState):
        actions.reply(ticket, actor=cast.actor("ada"), text=DRAFTED, draft=draft)


def test_a_reply_is_taken_back_before_the_customer_sees_it(ticket: Ticket, adam: Actor, draft: Draft) -> None:
    sent = actions.reply(ticket, actor=adam, text=DRAFTED + " Bye.", draft=draft)
    unsent = actions.take_back(sent, actor=adam)
    assert (unsent.text, unsent.draft) == (DRAFTED + " Bye.", draft)
    assert states_of_drafts() == [DraftState.READY]
    assert not TicketMessage.objects.filter(kind=Kind.AGENT).exists()
    assert Ticket.objects.get().state == State.OPEN


def test_a_reply_that_was_seen_or_is_a_colleagues_stays(ticket: Ticket, adam: Actor, cast: Cast) -> None:
    sent = actions.reply(ticket, actor=adam, text="Thirty days.")
    with pytest.raises(NotAllowed):
        actions.take_back(sent, actor=cast.actor("ada"))
    TicketMessage.objects.filter(pk=sent.pk).update(released_at=timezone.now() - timedelta(seconds=1))
    with pytest.raises(TooLate):
        actions.take_back(sent, actor=adam)


def test_a_reply_taken_back_does_not_hide_a_newer_draft(
    ticket: Ticket, alice: Actor, adam: Actor, draft: Draft
) -> None:
    sent = actions.reply(ticket, actor=adam, text=DRAFTED, draft=draft)
    actions.customer_writes(ticket, actor=alice, text="One more thing.")
    actions.take_back(sent, actor=adam)
    assert states_of_drafts() == [DraftState.DISCARDED, DraftState.WAITING]


@pytest.mark.threat("T2")
def test_tickets_are_assigned_to_agents_of_the_tenant_alone(ticket: Ticket, adam: Actor, cast: Cast) -> None:
    for user in (cast.alice, cast.mallory):
        with pytest.raises(NotAnAgent):
            actions.assign(ticket, actor=adam, user_id=user.pk)
    actions.assign(ticket, actor=adam, user_id=cast.ada.pk)
    actions.assign(ticket, actor=adam, user_id=None)
    changes = ticket.messages.filter(kind=Kind.SYSTEM).values_list("text", flat=True)
    assert list(changes) == ["assigned:Ada", "assigned:"]


@pytest.mark.threat("T2")
def test_a_draft_of_another_ticket_is_not_taken(ticket: Ticket, alice: Actor, adam: Actor, draft: Draft) -> None:
    other = actions.open_ticket(actor=alice, subject="Other", text="Another matter.")
    with pytest.raises(WrongState):
        actions.reply(other, actor=adam, text=DRAFTED, draft=draft)
    with pytest.raises(WrongState):
        actions.keep_unsent(other, actor=adam, text=DRAFTED, draft=draft)


def test_a_customer_may_only_say_that_it_is_solved(ticket: Ticket, alice: Actor) -> None:
    with pytest.raises(NotAllowed):
        actions.change_state(ticket, actor=alice, state=State.CLOSED)
    actions.change_state(ticket, actor=alice, state=State.SOLVED)
    assert Ticket.objects.get().state == State.SOLVED
    assert states_of_drafts() == [DraftState.DISCARDED]


def test_a_look_remembers_how_far_one_has_read(ticket: Ticket, alice: Actor, adam: Actor) -> None:
    assert actions.look(ticket, actor=adam) == 0
    actions.customer_writes(ticket, actor=alice, text="One more thing.")
    assert actions.look(ticket, actor=adam) == 1
    assert actions.look(ticket, actor=adam) == 2


@pytest.mark.parametrize("threads", [20])
def test_tickets_opened_at_once_get_numbers_of_their_own(threads: int, cast: Cast, alice: Actor) -> None:
    def open_one(index: int) -> int:
        try:
            with tenant_scope(cast.acme.pk):
                return actions.open_ticket(actor=alice, subject=f"Ticket {index}", text="At once.").number
        finally:
            connection.close()

    with ThreadPoolExecutor(threads) as pool:
        numbers = list(pool.map(open_one, range(threads)))
    assert sorted(numbers) == list(range(1, threads + 1))
