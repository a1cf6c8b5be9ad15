"""The one flow behind every door: websocket, SSE, JSON and the command line."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError
from django.db.models import Max
from django.utils.translation import gettext_noop

from accounts.models import Tenant
from accounts.permissions import Actor
from accounts.tenancy import in_tenant
from assistant.errors import IdInUse, UnknownConversation
from assistant.events import Accepted, Error, Event, Final
from assistant.models import Citation, Conversation, Message, Status
from assistant.pipeline.compose import Outcome, Request, compose
from assistant.pipeline.guard import guard
from assistant.pipeline.prompt import HISTORY_TURNS, Turn
from gateway.errors import BudgetExceeded, GatewayError, LimitExceeded
from gateway.types import Caller, Classification

FAILURES = {
    BudgetExceeded.code: gettext_noop("The budget for answers is used up for now. A person can still help."),
    LimitExceeded.code: gettext_noop("Too many questions are being answered at this moment. Try again in a minute."),
}
UNAVAILABLE = gettext_noop("No answer could be written just now. Your question is saved; try again, or ask a person.")


@dataclass(frozen=True)
class Ask:
    """A question at a door. `message_id` is made by the client, so that asking twice with the same
    one is one question."""

    question: str
    actor: Actor
    conversation_id: str | None = None
    message_id: uuid.UUID | None = None
    model: str | None = None


@dataclass(frozen=True)
class Begun:
    conversation_id: str
    message_id: uuid.UUID
    tenant_name: str
    history: tuple[Turn, ...]


async def answer(ask: Ask) -> AsyncGenerator[Event, None]:
    """The events of one answer; the last is `final` or `error`. Whatever happens (stop, broken
    provider, lost reader) the question and what was written are saved.

    Raises `AssistantError` before `accepted` for a question that cannot be taken.
    """
    question = guard(ask.question).text
    tenant_id = ask.actor.tenant_id
    begun = await in_tenant(tenant_id, begin, ask, question)
    caller = Caller(
        tenant_id,
        ask.actor.user_id,
        ask.actor.label,
        "answer",
        Classification.PERSONAL,
        begun.conversation_id,
        ask.actor.api_key_id,
    )
    request = Request(question, caller, begun.tenant_name, ask.actor.visibilities, begun.history, model=ask.model)
    outcome = Outcome(question)
    try:
        yield Accepted(begun.conversation_id, str(begun.message_id))
        async for event in compose(request, outcome):
            yield event
    except GatewayError as error:
        outcome.status, outcome.reason = "failed", error.code
        result = await in_tenant(tenant_id, finish, begun, outcome)
        detail = FAILURES.get(error.code, UNAVAILABLE)
        yield Error(error.code, detail, error.retryable or error.fallback, "question", result)
        return
    except (asyncio.CancelledError, GeneratorExit) as stopped:
        outcome.status, outcome.reason = "stopped", "stopped"
        task = asyncio.current_task()
        if task is not None and isinstance(stopped, asyncio.CancelledError):
            task.uncancel()
        result = await asyncio.shield(in_tenant(tenant_id, finish, begun, outcome))
        if isinstance(stopped, GeneratorExit):
            raise
        yield Final(result)
        return
    result = await in_tenant(tenant_id, finish, begun, outcome)
    yield Final(result)


def begin(ask: Ask, question: str) -> Begun:
    """Saves the question and an empty answer, or nothing. Raises `UnknownConversation`, or `IdInUse`
    when the client's id is that of an answer which is not the asker's to follow."""
    actor = ask.actor
    tenant = Tenant.objects.get(pk=actor.tenant_id)
    if ask.conversation_id:
        conversation = own_conversation(actor, ask.conversation_id)
        conversation.save(update_fields=["updated_at"])
    else:
        conversation = Conversation.objects.create(tenant=tenant, user_id=actor.user_id, title=question[:200])
    earlier = list(conversation.messages.filter(status__in=[Status.ANSWERED, Status.ABSTAINED]).order_by("-number"))
    history = tuple(Turn(each.role, each.text) for each in reversed(earlier[:HISTORY_TURNS]) if each.text)
    number = (conversation.messages.aggregate(last=Max("number"))["last"] or 0) + 1
    Message.objects.create(tenant=tenant, conversation=conversation, number=number, role="user", text=question)
    try:
        message = Message.objects.create(
            id=ask.message_id or uuid.uuid4(),
            tenant=tenant,
            conversation=conversation,
            number=number + 1,
            role="assistant",
            status=Status.STREAMING,
        )
    except IntegrityError as error:
        if "_pkey" not in str(error):
            raise
        raise IdInUse from None  # also where we cannot look: in another tenant
    return Begun(str(conversation.pk), message.pk, tenant.name, history)


def own_conversation(actor: Actor, conversation_id: str) -> Conversation:
    """Raises `UnknownConversation` for another person's as for one that never was."""
    try:
        key = uuid.UUID(str(conversation_id))
    except ValueError:
        raise UnknownConversation from None
    conversation: Conversation | None = Conversation.objects.filter(pk=key, user_id=actor.user_id).first()
    if conversation is None:
        raise UnknownConversation
    return conversation


def finish(begun: Begun, outcome: Outcome) -> dict[str, Any]:
    """Saves the answer and its citations in one transaction; returns what the reader gets."""
    outcome.mark("total")
    result = {**outcome.as_json(), "conversation": begun.conversation_id, "message": str(begun.message_id)}
    message = Message.objects.get(pk=begun.message_id)
    message.text, message.status, message.final = outcome.text, outcome.status, result
    message.audit_id = result["audit_id"]
    message.save(update_fields=["text", "status", "final", "audit_id"])
    Citation.objects.bulk_create(
        Citation(
            tenant_id=message.tenant_id,
            message=message,
            marker=quote.marker,
            document_id=quote.source.document,
            version_id=quote.source.version,
            start=quote.start,
            end=quote.end,
            quote=quote.quote,
        )
        for quote in outcome.citations
    )
    return result
