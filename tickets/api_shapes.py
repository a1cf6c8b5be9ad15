"""Tickets as the API gives them. Customers get no e-mail addresses, and nothing of drafts."""

from __future__ import annotations

from typing import Any

from accounts.models import Role, User
from accounts.permissions import Actor
from tickets.models import Draft, Kind, Ticket, TicketMessage, UnsentReply


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
        "answer": draft.answer,
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
