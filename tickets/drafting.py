"""Drafts: a reply that the assistant proposes to an agent. Nothing in here sends (P6).

A draft is written by a worker, or on demand while an agent reads along. Whoever writes holds a
lease on its row; what they bring is saved only while the lease is still theirs, so two workers make
one draft (R3), and one that was superseded or discarded stays so.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import Q
from django.utils import timezone

from accounts.models import Role, Tenant
from accounts.permissions import Actor
from accounts.tenancy import in_tenant
from assistant.errors import AssistantError
from assistant.events import Accepted, Error, Event, Final, Progress
from assistant.pipeline.compose import Outcome, Request, compose
from assistant.pipeline.guard import MAX_CHARACTERS
from assistant.pipeline.prompt import HISTORY_TURNS, Turn
from gateway.errors import GatewayError
from gateway.types import Caller, Classification, Task
from gateway.uncancelled import to_the_end
from tickets import actions, thread
from tickets.errors import NotAllowed
from tickets.letters import as_letter
from tickets.models import Draft, DraftState, Kind, Ticket, TicketMessage

LEASE = timedelta(minutes=5)  # longer than a call to a model may take with its retries
MAX_ATTEMPTS = 3
MAX_TURN = 2000  # characters of one earlier turn
LOOK_EVERY = 0.5  # seconds between looks at a draft that another process writes
SAID = (Kind.CUSTOMER, Kind.AGENT, Kind.ASSISTANT)
FAILURE = "No draft could be written just now. What you have typed is untouched."


@dataclass(frozen=True)
class Lease:
    """The right to write one draft. `attempt` tells an older lease on the same draft from this."""

    draft_id: str
    attempt: int
    request: Request
    customer: str = ""  # by name, as the letter greets them


@dataclass(frozen=True)
class Elsewhere:
    """Another process writes this draft."""

    draft_id: str


def take(draft_id: str, asker: Actor | None = None) -> Lease | None:
    """The lease on a draft that waits, or whose writer died; None for all others. After
    `MAX_ATTEMPTS` it fails with `gave_up`. Call within `tenant_scope`."""
    free = Q(state=DraftState.WAITING) | Q(state=DraftState.WRITING, lease_until__lt=timezone.now())
    rows = Draft.objects.select_for_update(skip_locked=True, of=("self",)).select_related("ticket__requester")
    draft = rows.filter(free, pk=draft_id).first()
    if draft is None:
        return None
    if draft.attempts >= MAX_ATTEMPTS:
        Draft.objects.filter(pk=draft.pk).update(state=DraftState.FAILED, reason="gave_up", lease_until=None)
        return None
    draft.state, draft.attempts, draft.lease_until = DraftState.WRITING, draft.attempts + 1, timezone.now() + LEASE
    draft.save(update_fields=["state", "attempts", "lease_until"])
    return Lease(str(draft.pk), draft.attempts, _request(draft.ticket, asker), draft.ticket.requester.name)


def begin(ticket: Ticket, *, actor: Actor) -> Lease | Elsewhere:
    """For an agent who wants a draft now: the one that waits, or a new one in the place of one that
    is finished. Call within `tenant_scope`. Raises `TicketError`."""
    if not actor.at_least(Role.AGENT):
        raise NotAllowed
    thread.lock(ticket)
    current = Draft.objects.filter(ticket=ticket, state__in=actions.OPEN_DRAFTS).order_by("-created_at").first()
    if current is not None and current.state in (DraftState.WAITING, DraftState.WRITING):
        lease = take(str(current.pk), actor)
        if lease is not None:
            return lease
        if not Draft.objects.filter(pk=current.pk, state=DraftState.FAILED).exists():
            return Elsewhere(str(current.pk))
    lease = take(str(actions.request_draft(ticket).pk), actor)
    assert lease is not None  # nobody else has seen the row yet
    return lease


async def write(lease: Lease) -> AsyncGenerator[Event, None]:
    """The events of one draft; the last is `final` or `error`. No transaction is open while the
    model writes. Cancelled, it gives the draft back, for the next worker."""
    outcome = Outcome(lease.request.question)
    tenant_id = lease.request.caller.tenant_id
    yield Accepted(lease.request.caller.conversation_id, lease.draft_id)
    try:
        async with aclosing(compose(lease.request, outcome)) as events:
            async for event in events:
                yield event
    except (GatewayError, AssistantError) as error:
        outcome.status, outcome.reason = "failed", error.code
        result = await to_the_end(in_tenant(tenant_id, finish, lease, outcome))
        yield Error(error.code, FAILURE, error.retryable, "", result)
        return
    except (asyncio.CancelledError, GeneratorExit):
        await to_the_end(in_tenant(tenant_id, give_back, lease))
        raise
    result = await to_the_end(in_tenant(tenant_id, finish, lease, outcome))
    yield Final(result)


async def watch(tenant_id: int, draft_id: str) -> AsyncGenerator[Event, None]:
    """Waits for a draft that another process writes, at most as long as its lease."""
    yield Accepted("", draft_id)
    yield Progress("searching", {})
    for _ in range(int(LEASE.total_seconds() / LOOK_EVERY)):
        draft = await in_tenant(tenant_id, _find, draft_id)
        if draft is None or draft.state == DraftState.FAILED:
            break
        if draft.state not in (DraftState.WAITING, DraftState.WRITING):
            yield Final({**draft.answer, "draft": draft_id, "state": draft.state})
            return
        await asyncio.sleep(LOOK_EVERY)
    yield Error("draft_failed", FAILURE, retryable=True)


def finish(lease: Lease, outcome: Outcome) -> dict[str, Any]:
    """Saves what was written, if the lease still holds; `state` in what it returns says so."""
    outcome.mark("total")
    ends = {"answered": DraftState.READY, "abstained": DraftState.EMPTY}
    state = ends.get(outcome.status, DraftState.FAILED)
    text = ""
    if state == DraftState.READY:
        text = as_letter(outcome, to=lease.customer, sender=lease.request.tenant_name)
    result = {**outcome.as_json(), "answer": text or outcome.text, "draft": lease.draft_id}
    saved = _held(lease).update(
        state=state,
        reason=outcome.reason[:60],
        text=text,
        answer=result,
        audit_id=result["audit_id"],
        lease_until=None,
    )
    return {**result, "state": str(state if saved else DraftState.DISCARDED)}


def give_back(lease: Lease) -> None:
    _held(lease).update(state=DraftState.WAITING, lease_until=None)


def open_words(messages: Sequence[TicketMessage]) -> tuple[str, tuple[Turn, ...]]:
    """What waits for an answer, and what was said before it.

    Waiting is what the customer wrote since an agent last replied. Of a chat with the assistant
    that is its last question, which the answer evidently did not settle, and all that came after.
    The newest words are kept when there are more than the guard lets through.
    """
    waiting: list[str] = []
    earlier: list[TicketMessage] = []
    answered = False
    for position in range(len(messages) - 1, -1, -1):
        message = messages[position]
        if message.kind == Kind.AGENT or (answered and waiting and message.kind == Kind.ASSISTANT):
            earlier = [*messages[: position + 1], *earlier]
            break
        if message.kind == Kind.ASSISTANT:
            answered, earlier = True, [message, *earlier]
            continue
        waiting.insert(0, message.text)
        if answered:
            earlier = [*messages[:position], *earlier]
            break
    turns = [Turn("user" if each.kind == Kind.CUSTOMER else "assistant", each.text[:MAX_TURN]) for each in earlier]
    return _bounded(waiting), tuple(turns[-HISTORY_TURNS:])


def _bounded(texts: list[str]) -> str:
    kept: list[str] = []
    room = MAX_CHARACTERS
    for text in reversed(texts):
        if kept and len(text) + 2 > room:
            break
        kept.insert(0, text[:room])
        room -= len(text) + 2
    return "\n\n".join(kept)


def _request(ticket: Ticket, asker: Actor | None) -> Request:
    """The articles are those that any customer may read, whoever opened the ticket: the text goes
    to a customer, so it must never rest on an internal one."""
    messages = list(ticket.messages.filter(kind__in=SAID).order_by("number"))
    question, history = open_words(messages)
    tenant = Tenant.objects.get(pk=ticket.tenant_id)
    caller = Caller(
        tenant_id=ticket.tenant_id,
        user_id=asker.user_id if asker is not None else ticket.requester_id,
        user_label=asker.label if asker is not None else str(ticket.requester),
        purpose="draft",
        classification=Classification.PERSONAL,
        conversation_id=str(ticket.conversation_id or ""),
        subject_id=ticket.requester_id,
        api_key_id=asker.api_key_id if asker is not None else "",
    )
    customer = Actor(tenant.pk, tenant.slug, ticket.requester_id, "", Role.CUSTOMER)
    return Request(question, caller, tenant.name, customer.visibilities, history, task=Task.DRAFT)


def _held(lease: Lease) -> Any:
    return Draft.objects.filter(pk=lease.draft_id, state=DraftState.WRITING, attempts=lease.attempt)


def _find(draft_id: str) -> Draft | None:
    found: Draft | None = Draft.objects.filter(pk=draft_id).first()
    return found
