"""The agents' workspace: the queue and one ticket. To a customer the desk does not exist."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.models import Membership, Role, Tenant
from accounts.pages import agent_page
from accounts.permissions import Actor
from assistant.running import running_for
from tickets import actions
from tickets.errors import TicketError
from tickets.models import Draft, DraftState, Kind, State, Ticket, TicketMessage
from tickets.presenting import STATES, box, current_draft, entries, found_in_words, words
from tickets.queue import Filter, queue
from tickets.views import as_uuid, typed

OTHERS_SHOWN = 5
UNFINISHED = (DraftState.WAITING, DraftState.WRITING)


@require_safe
@agent_page
def desk(request: HttpRequest, actor: Actor) -> HttpResponse:
    """The queue; `fragment=1` gives its list alone, for pages that are open."""
    context = _frame(request, actor)
    return render(request, "tickets/_queue_list.html" if request.GET.get("fragment") else "tickets/desk.html", context)


@require_safe
@agent_page
def ticket_page(request: HttpRequest, actor: Actor, number: int) -> HttpResponse:
    ticket = _ticket(actor, number)
    before = actions.look(ticket, actor=actor)
    frame = _frame(request, actor)
    thread = entries(ticket.messages.select_related("author"), actor, seen=before)
    own = Ticket.objects.filter(requester_id=ticket.requester_id)
    context = frame | {
        "ticket": ticket,
        "entries": thread,
        "last": thread[-1].number if thread else 0,
        "new_id": uuid4(),
        "undoable": next((entry for entry in reversed(thread) if entry.undo), None),
        "box": box(ticket, actor),
        "agents": [each.user for each in _agents()],
        "states": STATES.items(),
        "others": own.exclude(pk=ticket.pk)[:OTHERS_SHOWN],
        "max_text": actions.MAX_TEXT,
        "stream": f"/api/t/{actor.tenant_slug}/tickets/{ticket.number}/draft/stream",
    }
    return render(request, "tickets/ticket.html", context)


@require_safe
@agent_page
def news(request: HttpRequest, actor: Actor, number: int) -> HttpResponse:
    """What came after message `after`, and the draft if its key is not `draft`: for an open page,
    whose reader thereby has seen it."""
    ticket = _ticket(actor, number)
    after = _number(request.GET.get("after"))
    fresh = entries(ticket.messages.filter(number__gt=after).select_related("author"), actor, seen=after)
    actions.look(ticket, actor=actor)
    draft = current_draft(ticket, actor.tenant_slug)
    answer: dict[str, Any] = {
        "last": fresh[-1].number if fresh else after,
        "customer": any(entry.kind == Kind.CUSTOMER for entry in fresh),
        "state": ticket.state,
        "draft": {"key": draft.key, "state": draft.state},
    }
    context = {"actor": actor, "ticket": ticket, "tenant": Tenant.objects.get(pk=actor.tenant_id)}
    if fresh:
        answer["entries"] = render_to_string("tickets/_entries.html", context | {"entries": fresh}, request)
    if draft.key != request.GET.get("draft"):
        answer["draft"]["html"] = render_to_string("tickets/_draft.html", context | {"shown": draft}, request)
    return JsonResponse(answer)


@require_POST
@agent_page
def reply(request: HttpRequest, actor: Actor, number: int) -> HttpResponse:
    """Sends, unless the customer wrote something that the agent's page did not show yet."""
    ticket, text = _ticket(actor, number), typed(request)
    draft = _draft(ticket, request.POST.get("draft"))
    sent = _try(
        request,
        lambda: actions.reply(
            ticket,
            actor=actor,
            text=text,
            draft=draft,
            state=State.SOLVED if request.POST.get("then") == "solved" else State.PENDING,
            seen=_number(request.POST.get("seen")),
            message_id=as_uuid(request.POST.get("id")),
        ),
    )
    if not sent:
        _try(request, lambda: actions.keep_unsent(ticket, actor=actor, text=text[: actions.MAX_TEXT], draft=draft))
    return _back(request, actor, number)


@require_POST
@agent_page
def take_back(request: HttpRequest, actor: Actor, number: int) -> HttpResponse:
    ticket = _ticket(actor, number)
    key = as_uuid(request.POST.get("message"))
    message = TicketMessage.objects.filter(pk=key, ticket=ticket).first() if key else None
    if message is None:
        raise Http404
    if _try(request, lambda: actions.take_back(message, actor=actor)):
        messages.success(request, _("Not sent. Your reply is in the box again."))
    return _back(request, actor, number)


@require_POST
@agent_page
def note(request: HttpRequest, actor: Actor, number: int) -> HttpResponse:
    ticket = _ticket(actor, number)
    _try(request, lambda: actions.add_note(ticket, actor=actor, text=typed(request)))
    return _back(request, actor, number)


@require_POST
@agent_page
def assign(request: HttpRequest, actor: Actor, number: int) -> HttpResponse:
    """`user` is a member's id, `me`, or empty for nobody."""
    ticket, wanted = _ticket(actor, number), request.POST.get("user", "")
    user_id = actor.user_id if wanted == "me" else (_number(wanted) if wanted else None)
    _try(request, lambda: actions.assign(ticket, actor=actor, user_id=user_id))
    return _back(request, actor, number)


@require_POST
@agent_page
def state(request: HttpRequest, actor: Actor, number: int) -> HttpResponse:
    ticket, wanted = _ticket(actor, number), request.POST.get("state", "")
    if wanted not in State.values:
        return HttpResponse(status=422)
    _try(request, lambda: actions.change_state(ticket, actor=actor, state=State(wanted)))
    return _back(request, actor, number)


@require_POST
@agent_page
def draft(request: HttpRequest, actor: Actor, number: int) -> HttpResponse:
    """`use` it, `discard` it, have it written `again`, or `stop` the one that is being written. What
    the agent has typed is kept in all but the first; after `stop` an older draft's text too."""
    ticket, wish = _ticket(actor, number), request.POST.get("do", "")
    text, base = typed(request), _draft(ticket, request.POST.get("draft"))
    current = current_draft(ticket, actor.tenant_slug).draft
    if wish == "use" and current is not None and current.state == DraftState.READY:
        _try(request, lambda: actions.keep_unsent(ticket, actor=actor, text=current.text, draft=current))
        return _back(request, actor, number)
    if wish not in ("again", "discard", "stop"):
        return HttpResponse(status=422)
    untouched = wish != "stop" and base is not None and text.strip() == base.text.strip()
    own = "" if untouched else text
    _try(request, lambda: actions.keep_unsent(ticket, actor=actor, text=own, draft=base if own else None))
    if wish == "again":
        if ticket.state != State.CLOSED:
            actions.request_draft(ticket)
    elif current is not None and (wish == "discard" or current.state in UNFINISHED):
        _try(request, lambda: actions.discard_draft(current, actor=actor))
        transaction.on_commit(lambda: _stop_writing(actor, current))
    return _back(request, actor, number)


def _stop_writing(actor: Actor, discarded: Draft) -> None:
    """Closes the provider's stream, if this process holds it; elsewhere it runs to its end, unsaved."""
    run = running_for(str(discarded.pk), (actor.tenant_id, None))
    if run is not None:
        run.task.get_loop().call_soon_threadsafe(run.stop)


@require_POST
@agent_page
def unsent(request: HttpRequest, actor: Actor, number: int) -> HttpResponse:
    """Saves the half-written reply; asked by the page as the agent types."""
    ticket = _ticket(actor, number)
    base = _draft(ticket, request.POST.get("draft"))
    try:
        actions.keep_unsent(ticket, actor=actor, text=typed(request), draft=base)
    except TicketError as error:
        return JsonResponse({"code": error.code, "detail": _(error.detail)}, status=422)
    return HttpResponse(status=204)


def _frame(request: HttpRequest, actor: Actor) -> dict[str, Any]:
    found = queue(actor, Filter.of(request.GET))
    return {
        "tenant": Tenant.objects.get(pk=actor.tenant_id),
        "actor": actor,
        "place": "desk",
        "queue": found,
        "found": found_in_words(found.total),
        "query": found.filter.query,
        "words": words(),
    }


def _ticket(actor: Actor, number: int) -> Ticket:
    found: Ticket | None = (
        Ticket.objects.visible_to(actor).filter(number=number).select_related("requester", "assignee").first()
    )
    if found is None:
        raise Http404
    return found


def _agents() -> Any:
    agents = Membership.objects.filter(role__in=[Role.AGENT, Role.ADMIN]).select_related("user")
    return agents.order_by("user__name", "user__email")


def _draft(ticket: Ticket, text: str | None) -> Draft | None:
    key = as_uuid(text)
    return Draft.objects.filter(pk=key, ticket=ticket).first() if key else None


def _try(request: HttpRequest, change: Callable[[], object]) -> bool:
    """Whether the change was made; if not, the page says why."""
    try:
        change()
    except TicketError as error:
        messages.error(request, _(error.detail))
        return False
    return True


def _back(request: HttpRequest, actor: Actor, number: int) -> HttpResponse:
    return redirect(reverse("tickets:ticket", args=[actor.tenant_slug, number]) + Filter.of(request.GET).query)


def _number(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 10 else 0
