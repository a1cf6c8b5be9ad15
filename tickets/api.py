"""Tickets by API. A customer sees and writes their own; agents work all of the tenant's."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

from django.http import Http404, HttpRequest, StreamingHttpResponse
from ninja import Field, Path, Query, Router, Schema

from accounts.api_auth import actor_of, identified, scoped
from accounts.models import Role
from accounts.permissions import Actor
from accounts.tenancy import in_tenant
from assistant.pipeline.answer import own_conversation
from assistant.running import Run, running_for
from assistant.sse import STREAM, sse
from tickets import actions, drafting
from tickets.api_shapes import (
    DraftShape,
    TicketMessageShape,
    TicketShape,
    TicketsShape,
    UnsentShape,
    WholeTicketShape,
    draft_shape,
    message_shape,
    ticket_shape,
    unsent_shape,
)
from tickets.errors import NotAllowed
from tickets.models import Draft, State, Ticket, TicketMessage, UnsentReply
from tickets.queue import Filter, matching

router = Router(tags=["tickets"])
Number = Annotated[int, Field(ge=1, le=2**31 - 1)]
WITHOUT_NUL = r"^[^\x00]*$"


class NewTicket(Schema):
    """`id` is made by the client: opening again with the same one opens nothing new. With
    `conversation` the ticket begins with what was said there, and `text` may be empty."""

    subject: str = Field(default="", max_length=200, pattern=WITHOUT_NUL)
    text: str = ""
    conversation: uuid.UUID | None = None
    id: uuid.UUID | None = None


class Words(Schema):
    """`id` is made by the client, so that sending again sends nothing new."""

    text: str
    id: uuid.UUID | None = None


class Reply(Words):
    """`draft` is what the text was made from, `seen` the number of the last message that the agent
    had before them, `state` the ticket's afterwards."""

    draft: uuid.UUID | None = None
    seen: int | None = Field(default=None, ge=0, le=2**31 - 1)
    state: State = State.PENDING


class Unsent(Schema):
    text: str
    draft: uuid.UUID | None = None


class Assignee(Schema):
    user: Annotated[int, Field(ge=1, le=2**63 - 1)] | Literal["me"] | None


class NewState(Schema):
    state: State


class Wanted(Schema):
    """`assignee` is `me`, `none` or a person's id; `q` is searched in subjects, messages, names."""

    state: State | None = None
    assignee: str = Field(default="", pattern="^(me|none|[0-9]{0,15})$")
    q: str = Field(default="", max_length=200, pattern=WITHOUT_NUL)
    limit: int = Field(default=50, ge=1, le=100)
    offset: int = Field(default=0, ge=0, le=100_000)


@router.get(
    "/tickets", summary="Tickets: a customer's own, or all for agents", response=TicketsShape, exclude_unset=True
)
@scoped("tickets")
def tickets(request: HttpRequest, tenant: Path[str], wanted: Query[Wanted]) -> dict[str, Any]:
    actor = actor_of(request)
    whose = {"me": "mine", "none": "nobody"}.get(wanted.assignee, "all")
    found = matching(Ticket.objects.visible_to(actor), actor, Filter("all", whose, wanted.q.strip()))
    if wanted.assignee.isdecimal():
        found = found.filter(assignee_id=int(wanted.assignee))
    if wanted.state is not None:
        found = found.filter(state=wanted.state)
    page = found.select_related("requester", "assignee").order_by("-changed_at", "number")
    shown = page[wanted.offset : wanted.offset + wanted.limit]
    return {"total": found.count(), "items": [ticket_shape(each, actor) for each in shown]}


@router.post("/tickets", summary="Open a ticket of your own", response=WholeTicketShape, exclude_unset=True)
@scoped("tickets")
def create(request: HttpRequest, tenant: Path[str], body: NewTicket) -> dict[str, Any]:
    actor = actor_of(request)
    if body.conversation is not None:
        conversation = own_conversation(actor, str(body.conversation))
        ticket = actions.ask_for_person(conversation, actor=actor, note=body.text)
    else:
        ticket = actions.open_ticket(actor=actor, subject=body.subject, text=body.text, ticket_id=body.id)
    return _whole(ticket, actor)


@router.get("/tickets/{number}", summary="One ticket with its messages", response=WholeTicketShape, exclude_unset=True)
@scoped("tickets")
def one_ticket(request: HttpRequest, tenant: Path[str], number: Path[Number]) -> dict[str, Any]:
    actor = actor_of(request)
    return _whole(_ticket(actor, number), actor)


@router.post(
    "/tickets/{number}/messages", summary="Add to your own ticket", response=TicketMessageShape, exclude_unset=True
)
@scoped("tickets")
def write(request: HttpRequest, tenant: Path[str], number: Path[Number], body: Words) -> dict[str, Any]:
    actor = actor_of(request)
    ticket = _ticket(actor, number)
    return message_shape(actions.customer_writes(ticket, actor=actor, text=body.text, message_id=body.id), actor)


@router.post(
    "/tickets/{number}/replies", summary="Reply to the customer", response=TicketMessageShape, exclude_unset=True
)
@scoped("tickets")
def reply(request: HttpRequest, tenant: Path[str], number: Path[Number], body: Reply) -> dict[str, Any]:
    actor = actor_of(request)
    ticket = _ticket(actor, number)
    draft = _draft(ticket, body.draft) if body.draft else None
    message = actions.reply(
        ticket, actor=actor, text=body.text, draft=draft, state=body.state, seen=body.seen, message_id=body.id
    )
    return message_shape(message, actor)


@router.post(
    "/tickets/{number}/messages/{message}/take-back", summary="Take back a reply not yet released", response=UnsentShape
)
@scoped("tickets")
def take_back(request: HttpRequest, tenant: Path[str], number: Path[Number], message: uuid.UUID) -> dict[str, Any]:
    actor = actor_of(request)
    found = TicketMessage.objects.visible_to(actor).filter(pk=message, ticket=_ticket(actor, number)).first()
    if found is None:
        raise Http404
    return unsent_shape(actions.take_back(found, actor=actor))


@router.post(
    "/tickets/{number}/notes", summary="Add a note for agents", response=TicketMessageShape, exclude_unset=True
)
@scoped("tickets")
def note(request: HttpRequest, tenant: Path[str], number: Path[Number], body: Words) -> dict[str, Any]:
    actor = actor_of(request)
    ticket = _ticket(actor, number)
    return message_shape(actions.add_note(ticket, actor=actor, text=body.text, message_id=body.id), actor)


@router.put(
    "/tickets/{number}/assignee", summary="Assign to an agent, or to nobody", response=TicketShape, exclude_unset=True
)
@scoped("tickets")
def assign(request: HttpRequest, tenant: Path[str], number: Path[Number], body: Assignee) -> dict[str, Any]:
    actor = actor_of(request)
    ticket = _ticket(actor, number)
    actions.assign(ticket, actor=actor, user_id=actor.user_id if body.user == "me" else body.user)
    return ticket_shape(_ticket(actor, number), actor)


@router.put(
    "/tickets/{number}/state",
    summary="Set the state; a customer may say that it is solved",
    response=TicketShape,
    exclude_unset=True,
)
@scoped("tickets")
def change_state(request: HttpRequest, tenant: Path[str], number: Path[Number], body: NewState) -> dict[str, Any]:
    actor = actor_of(request)
    ticket = _ticket(actor, number)
    actions.change_state(ticket, actor=actor, state=body.state)
    return ticket_shape(ticket, actor)


@router.get(
    "/tickets/{number}/draft", summary="The draft that waits, or null", response=DraftShape | None, exclude_unset=True
)
@scoped("tickets")
def current_draft(request: HttpRequest, tenant: Path[str], number: Path[Number]) -> dict[str, Any] | None:
    ticket = _worked(request, number)
    draft = Draft.objects.filter(ticket=ticket, state__in=actions.OPEN_DRAFTS).order_by("-created_at").first()
    return draft_shape(draft) if draft is not None else None


@router.post(
    "/tickets/{number}/draft", summary="Have a draft written anew, by a worker", response=DraftShape, exclude_unset=True
)
@scoped("tickets")
def request_draft(request: HttpRequest, tenant: Path[str], number: Path[Number]) -> dict[str, Any]:
    return draft_shape(actions.request_draft(_worked(request, number)))


@router.post("/tickets/{number}/draft/stream", summary="Have a draft written now, and follow it", openapi_extra=STREAM)
@identified("tickets")
async def stream_draft(request: HttpRequest, tenant: Path[str], number: Path[Number]) -> StreamingHttpResponse:
    """Server-sent events as an answer's. The writing goes on, and is saved, when the reader leaves;
    asking again while it goes on follows the same draft from its beginning."""
    actor = actor_of(request)
    begun = await in_tenant(actor.tenant_id, _begin, actor, number)
    return sse(_draft_events(actor, begun))


@router.delete("/tickets/{number}/drafts/{draft}", summary="Discard a draft", response=DraftShape, exclude_unset=True)
@scoped("tickets")
def discard_draft(request: HttpRequest, tenant: Path[str], number: Path[Number], draft: uuid.UUID) -> dict[str, Any]:
    found = _draft(_worked(request, number), draft)
    actions.discard_draft(found, actor=actor_of(request))
    found.refresh_from_db()
    return draft_shape(found)


@router.get("/tickets/{number}/unsent", summary="Your half-written reply, or null", response=UnsentShape | None)
@scoped("tickets")
def unsent(request: HttpRequest, tenant: Path[str], number: Path[Number]) -> dict[str, Any] | None:
    found = UnsentReply.objects.filter(ticket=_worked(request, number), user_id=actor_of(request).user_id).first()
    return unsent_shape(found) if found is not None else None


@router.put("/tickets/{number}/unsent", summary="Keep your half-written reply", response=UnsentShape)
@scoped("tickets")
def keep_unsent(request: HttpRequest, tenant: Path[str], number: Path[Number], body: Unsent) -> dict[str, Any]:
    ticket = _worked(request, number)
    draft = _draft(ticket, body.draft) if body.draft else None
    return unsent_shape(actions.keep_unsent(ticket, actor=actor_of(request), text=body.text, draft=draft))


def _ticket(actor: Actor, number: int) -> Ticket:
    """404 for another customer's as for one that never was."""
    tickets = Ticket.objects.visible_to(actor).select_related("requester", "assignee")
    found: Ticket | None = tickets.filter(number=number).first()
    if found is None:
        raise Http404
    return found


def _worked(request: HttpRequest, number: int) -> Ticket:
    """For what agents alone see: 404 for a ticket that is not the actor's to see, else 403."""
    actor = actor_of(request)
    found = _ticket(actor, number)
    if not actor.at_least(Role.AGENT):
        raise NotAllowed
    return found


def _draft(ticket: Ticket, key: uuid.UUID) -> Draft:
    found: Draft | None = Draft.objects.filter(pk=key, ticket=ticket).first()
    if found is None:
        raise Http404
    return found


def _whole(ticket: Ticket, actor: Actor) -> dict[str, Any]:
    messages = TicketMessage.objects.visible_to(actor).filter(ticket=ticket).select_related("author")
    return {**ticket_shape(ticket, actor), "messages": [message_shape(each, actor) for each in messages]}


def _begin(actor: Actor, number: int) -> drafting.Lease | drafting.Elsewhere:
    return drafting.begin(_ticket(actor, number), actor=actor)


async def _draft_events(actor: Actor, begun: drafting.Lease | drafting.Elsewhere) -> AsyncIterator[dict[str, Any]]:
    owner = (actor.tenant_id, None)
    if isinstance(begun, drafting.Lease):
        run = Run(owner, drafting.write(begun))
    else:
        found = running_for(begun.draft_id, owner)
        run = found or Run(owner, drafting.watch(actor.tenant_id, begun.draft_id))
    async for event in run.follow():
        yield event
