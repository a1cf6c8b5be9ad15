"""What a chat's page says of the ticket that came of it."""

from __future__ import annotations

from dataclasses import dataclass

from django import template
from django.utils.functional import Promise

from assistant.models import Conversation
from tickets.models import State, Ticket
from tickets.presenting import STATES_FOR_CUSTOMERS

register = template.Library()


@dataclass(frozen=True)
class HandOver:
    number: int
    state: str
    label: Promise  # of the state, as the customer reads it


@register.simple_tag
def handed_over(conversation: Conversation | None) -> HandOver | None:
    """The ticket that the conversation is in; None before, and after it is closed, when a person
    can be asked again."""
    if not conversation:
        return None
    ticket = Ticket.objects.filter(conversation=conversation).exclude(state=State.CLOSED).first()
    return HandOver(ticket.number, ticket.state, STATES_FOR_CUSTOMERS[ticket.state]) if ticket else None
