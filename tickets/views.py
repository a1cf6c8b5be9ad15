"""A customer's own requests: what was said, more to say, and that it is solved."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.models import Tenant
from accounts.pages import member_page
from accounts.permissions import Actor
from tickets import actions
from tickets.errors import TicketError
from tickets.models import State, Ticket
from tickets.presenting import STATES_FOR_CUSTOMERS, entries, released, words

LENGTH = 200  # requests shown at once


@require_safe
@member_page
def mine(request: HttpRequest, actor: Actor) -> HttpResponse:
    own = Ticket.objects.filter(requester_id=actor.user_id)[:LENGTH]
    shown = [(ticket, STATES_FOR_CUSTOMERS[ticket.state]) for ticket in own]
    return render(request, "tickets/mine.html", _frame(actor) | {"tickets": shown})


@require_http_methods(["GET", "HEAD", "POST"])
@member_page
def own_ticket(request: HttpRequest, actor: Actor, number: int) -> HttpResponse:
    """One request; a POST adds `text` to it. A text that cannot be taken is given back."""
    ticket = _own(actor, number)
    refused = ""
    if request.method == "POST":
        try:
            key = as_uuid(request.POST.get("id"))
            actions.customer_writes(ticket, actor=actor, text=typed(request), message_id=key)
        except TicketError as error:
            refused = _(error.detail)
        else:
            messages.success(request, _("Sent. We answer here."))
            return redirect("tickets:request", actor.tenant_slug, number)
    context = _frame(actor) | {
        "ticket": ticket,
        "state": STATES_FOR_CUSTOMERS[ticket.state],
        "entries": entries(released(ticket, actor), actor),
        "refused": refused,
        "text": typed(request),
        "max_text": actions.MAX_TEXT,
        "new_id": uuid.uuid4(),
    }
    return render(request, "tickets/request.html", context, status=422 if refused else 200)


@require_POST
@member_page
def solved(request: HttpRequest, actor: Actor, number: int) -> HttpResponse:
    ticket = _own(actor, number)
    try:
        actions.change_state(ticket, actor=actor, state=State.SOLVED)
    except TicketError as error:
        messages.error(request, _(error.detail))
    else:
        messages.success(request, _("Good to hear. If it comes back, write here again."))
    return redirect("tickets:request", actor.tenant_slug, number)


def typed(request: HttpRequest) -> str:
    """The text of a form with the line ends that scripts and models use, and without NUL, which
    PostgreSQL cannot keep."""
    return request.POST.get("text", "").replace("\r\n", "\n").replace("\x00", "")


def as_uuid(text: str | None) -> uuid.UUID | None:
    try:
        return uuid.UUID(text or "")
    except ValueError:
        return None


def _own(actor: Actor, number: int) -> Ticket:
    """The reader's own, for agents too: others' tickets are at the desk."""
    found: Ticket | None = Ticket.objects.filter(requester_id=actor.user_id, number=number).first()
    if found is None:
        raise Http404
    return found


def _frame(actor: Actor) -> dict[str, Any]:
    tenant = Tenant.objects.get(pk=actor.tenant_id)
    return {"tenant": tenant, "actor": actor, "place": "requests", "words": words()}
