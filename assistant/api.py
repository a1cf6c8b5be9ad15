"""The JSON and SSE doors, and the reader's own conversations."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from typing import Any

from django.http import Http404, HttpRequest, StreamingHttpResponse
from ninja import Field, Path, Router, Schema

from accounts.api_auth import actor_of, identified, scoped
from accounts.tenancy import in_tenant
from assistant.models import Conversation, Feedback, Message
from assistant.pipeline.answer import Ask, answer, own_conversation
from assistant.running import Run, owner_of, running, saved_event
from assistant.sse import one, sse

router = Router(tags=["assistant"])


class Question(Schema):
    """`id` is made by the client: asking again with the same one is the same question."""

    question: str
    conversation: uuid.UUID | None = None
    id: uuid.UUID = Field(default_factory=uuid.uuid4)


class Thumb(Schema):
    value: str = Field(pattern="^(up|down)$")
    reasons: list[str] = Field(default=[], max_length=10)
    comment: str = Field(default="", max_length=2000)


@router.post("/ask", summary="Ask, and wait for the checked answer")
@identified("ask")
async def ask(request: HttpRequest, tenant: Path[str], body: Question) -> dict[str, Any]:
    last: dict[str, Any] = {}
    async for event in _events(request, body):
        last = event
    return dict(
        last.get("answer")
        or {"status": "failed", "reason": last.get("code", "internal"), "detail": last.get("detail", "")}
    )


@router.post("/ask/stream", summary="Ask, and follow the answer as server-sent events")
@identified("ask")
async def ask_stream(request: HttpRequest, tenant: Path[str], body: Question) -> StreamingHttpResponse:
    return sse(_events(request, body))


@router.get("/answers/{message}/stream", summary="Follow an answer again, after event N")
@identified("ask")
async def resume(request: HttpRequest, tenant: Path[str], message: uuid.UUID, after: int = 0) -> StreamingHttpResponse:
    actor = actor_of(request)
    run = running(str(message), actor)
    if run is not None:
        return sse(run.follow(after))
    event = await in_tenant(actor.tenant_id, saved_event, actor, str(message), after)
    if event is None:
        raise Http404
    return sse(one(event))


@router.post("/answers/{message}/stop", summary="Stop an answer that is being written")
@identified("ask")
async def stop(request: HttpRequest, tenant: Path[str], message: uuid.UUID) -> dict[str, str]:
    run = running(str(message), actor_of(request))
    if run is None:
        raise Http404
    run.stop()
    return {"status": "stopping"}


@router.get("/conversations", summary="Your conversations, newest first")
@scoped("ask")
def conversations(request: HttpRequest, tenant: Path[str]) -> list[dict[str, Any]]:
    own = Conversation.objects.filter(user_id=actor_of(request).user_id)[:100]
    return [{"id": str(each.pk), "title": each.title, "updated_at": each.updated_at} for each in own]


@router.get("/conversations/{conversation}", summary="One conversation, with its answers and citations")
@scoped("ask")
def conversation(request: HttpRequest, tenant: Path[str], conversation: uuid.UUID) -> dict[str, Any]:
    found = own_conversation(actor_of(request), str(conversation))
    messages = [
        {"id": str(each.pk), "role": each.role, "text": each.text, "status": each.status, "answer": each.final}
        for each in found.messages.all()
    ]
    return {"id": str(found.pk), "title": found.title, "messages": messages}


@router.post("/answers/{message}/feedback", summary="Thumb up or down")
@scoped("ask")
def feedback(request: HttpRequest, tenant: Path[str], message: uuid.UUID, body: Thumb) -> dict[str, str]:
    actor = actor_of(request)
    found = Message.objects.filter(pk=message, role="assistant", conversation__user_id=actor.user_id).first()
    if found is None:
        raise Http404
    Feedback.objects.update_or_create(
        message=found, user_id=actor.user_id, defaults={"tenant_id": actor.tenant_id, **body.dict()}
    )
    return {"status": "saved"}


async def _events(request: HttpRequest, body: Question) -> AsyncIterator[dict[str, Any]]:
    actor = actor_of(request)
    run = running(str(body.id), actor)
    if run is None:
        event = await in_tenant(actor.tenant_id, saved_event, actor, str(body.id), 0)
        if event is not None:
            yield event
            return
        conversation_id = str(body.conversation) if body.conversation else None
        asked = Ask(body.question, actor, conversation_id, body.id)
        run = Run(owner_of(actor), answer(asked))
    async for event in run.follow():
        yield event
