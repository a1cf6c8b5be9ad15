"""Tickets as the API gives them. Customers get no e-mail addresses, and nothing of drafts."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ninja import Schema

from accounts.models import Role, User
from accounts.permissions import Actor
from assistant.api_shapes import AnswerShape, CitationShape
from tickets.models import Draft, DraftState, Kind, State, Ticket, TicketMessage, UnsentReply


class PersonShape(Schema):
    """`email` is for agents alone."""

    id: int
    name: str
    email: str = ""


class TicketShape(Schema):
    id: str
    number: int
    subject: str
    state: State
    requester: PersonShape
    assignee: PersonShape | None
    conversation: str | None
    created_at: datetime
    changed_at: datetime


class TicketMessageShape(Schema):
    """`released_at`, `draft` and `distance` are for agents alone."""

    id: str
    number: int
    kind: Kind
    author: PersonShape | None
    text: str
    citations: list[CitationShape]
    created_at: datetime
    released_at: datetime | None = None
    draft: str | None = None
    distance: float | None = None


class WholeTicketShape(TicketShape):
    messages: list[TicketMessageShape]


class TicketsShape(Schema):
    """`total` counts all that match, `items` are those of the page asked for."""

    total: int
    items: list[TicketShape]


class DraftShape(Schema):
    """`answer` is null until it is written; `text` is empty unless the state is `ready` or later."""

    id: str
    state: DraftState
    reason: str
    text: str
    answer: AnswerShape | None
    created_at: datetime


class UnsentShape(Schema):
    text: str
    draft: str | None
    updated_at: datetime


def ticket_shape(ticket: Ticket, actor: Actor) -> dict[str, Any]:
    return {
        "id": str(ticket.pk),
        "number": ticket.number,
        "subject": ticket.subject,
        "state": str(ticket.state),
        "requester": _person(ticket.requester, actor),
        "assignee": _person(ticket.assignee, actor),
        "conversation": str(ticket.conversation_id) if ticket.conversation_id else None,
        "created_at": ticket.created_at,
        "changed_at": ticket.changed_at,
    }


def message_shape(message: TicketMessage, actor: Actor) -> dict[str, Any]:
    shape: dict[str, Any] = {
        "id": str(message.pk),
        "number": message.number,
        "kind": str(message.kind),
        "author": None if message.kind == Kind.ASSISTANT else _person(message.author, actor),
        "text": message.text,
        "citations": message.citations,
        "created_at": message.created_at,
    }
    if actor.at_least(Role.AGENT):
        shape["released_at"] = message.released_at
        shape["draft"] = str(message.draft_id) if message.draft_id else None
        shape["distance"] = message.distance
    return shape


def draft_shape(draft: Draft) -> dict[str, Any]:
    return {
        "id": str(draft.pk),
        "state": str(draft.state),
        "reason": draft.reason,
        "text": draft.text,
        "answer": draft.answer or None,
        "created_at": draft.created_at,
    }


def unsent_shape(unsent: UnsentReply) -> dict[str, Any]:
    draft = str(unsent.draft_id) if unsent.draft_id else None
    return {"text": unsent.text, "draft": draft, "updated_at": unsent.updated_at}


def _person(user: User | None, actor: Actor) -> dict[str, Any] | None:
    """A colleague's or customer's name; a customer who set none is known by their address, which
    other customers never see, because they see no ticket but their own."""
    if user is None:
        return None
    shape: dict[str, Any] = {"id": user.pk, "name": user.name or (user.email if actor.at_least(Role.AGENT) else "")}
    if actor.at_least(Role.AGENT):
        shape["email"] = user.email
    return shape
