"""How a ticket's thread is written down: locked, numbered, and each id once.

Rules of who may do what stand in `tickets.actions`, which is the only caller.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from django.db import IntegrityError, connection, transaction
from django.db.models import Max
from django.utils import timezone
from django.utils.translation import gettext_noop

from accounts.permissions import Actor
from assistant.models import Conversation
from tickets.errors import IdTaken, WrongState
from tickets.models import Draft, DraftState, Kind, State, Ticket, TicketMessage


def bring_conversation(ticket: Ticket, conversation: Conversation) -> str:
    """What was said before the person came, with its sources. Returns the customer's last words."""
    last = ""
    for turn in conversation.messages.order_by("number"):
        if not turn.text.strip():
            continue
        own = turn.role == "user"
        last = turn.text.strip() if own else last
        citations = turn.final.get("citations", [])
        author = ticket.requester_id if own else None
        kind = Kind.CUSTOMER if own else Kind.ASSISTANT
        append(ticket, kind, turn.text, author, citations=citations, at=turn.created_at)
    return last


def known(model: Any, key: UUID) -> Any:
    return model.objects.filter(pk=key).first()


def create(model: Any, **fields: Any) -> Any:
    """Raises `IdTaken` when the id is in use where we cannot look: in another tenant."""
    try:
        with transaction.atomic():
            return model.objects.create(**fields)
    except IntegrityError as error:
        if model.objects.filter(pk=fields["id"]).exists() or "_pkey" not in str(error):
            raise
        raise IdTaken from None


def append(
    ticket: Ticket,
    kind: Kind,
    text: str,
    author_id: int | None,
    *,
    citations: Any = (),
    released_in: int = 0,
    at: datetime | None = None,
    message_id: UUID | None = None,
) -> TicketMessage:
    """Call with the ticket locked, or just made: one writer at a time numbers the messages."""
    number = (ticket.messages.aggregate(last=Max("number"))["last"] or 0) + 1
    message: TicketMessage = create(
        TicketMessage,
        id=message_id or uuid4(),
        tenant_id=ticket.tenant_id,
        ticket=ticket,
        number=number,
        kind=kind,
        author_id=author_id,
        text=text,
        citations=list(citations),
        created_at=at or timezone.now(),
        released_at=timezone.now() + timedelta(seconds=released_in),
    )
    return message


def lock(ticket: Ticket) -> None:
    """Until commit nobody else changes the ticket; its fields are read anew."""
    ticket.refresh_from_db(
        fields=["state", "assignee", "changed_at"], from_queryset=Ticket.objects.select_for_update(of=("self",))
    )


def next_number(tenant_id: int) -> int:
    """Holds a lock of the tenant's until commit, so that two new tickets never share a number."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('citedesk.ticket_number'), %s)", [tenant_id])
    return (Ticket.objects.filter(tenant_id=tenant_id).aggregate(last=Max("number"))["last"] or 0) + 1


def sent_before(ticket: Ticket, message_id: UUID | None, kind: Kind, actor: Actor, text: str) -> TicketMessage | None:
    """The message that was sent with this id. Raises `IdTaken` when it is not the same one."""
    found: TicketMessage | None = known(TicketMessage, message_id) if message_id is not None else None
    if found is None:
        return None
    if (found.ticket_id, found.kind, found.author_id, found.text) != (ticket.pk, kind, actor.user_id, text):
        raise IdTaken
    return found


def set_state(ticket: Ticket, state: State) -> None:
    ticket.state, ticket.changed_at = state, timezone.now()
    ticket.save(update_fields=["state", "changed_at"])


def usable_draft(ticket: Ticket, draft: Draft) -> Draft:
    """The draft as it is now. Raises `WrongState` for one that was sent or has no text."""
    fresh = Draft.objects.filter(pk=draft.pk, ticket=ticket).first()
    if fresh is None or fresh.state not in (DraftState.READY, DraftState.DISCARDED) or not fresh.text:
        raise WrongState(gettext_noop("This draft cannot be sent: it was sent already, or is not written yet."))
    return fresh  # type: ignore[no-any-return]
