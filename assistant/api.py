"""The JSON and SSE doors, and the reader's own conversations."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

from django.http import Http404, HttpRequest, StreamingHttpResponse
from ninja import Field, Path, Query, Router, Schema

from accounts.api_auth import actor_of, identified, scoped
from accounts.tenancy import in_tenant
from assistant.api_shapes import AnswerShape, ConversationShape, DoneShape, WholeConversationShape
from assistant.feedback import rate
from assistant.messages import Question
from assistant.models import Conversation, Message
from assistant.pipeline.answer import Ask, answer, own_conversation
from assistant.running import Run, owner_of, running, saved_event
from assistant.sse import STREAM, one, sse

router = Router(tags=["assistant"])
WITHOUT_NUL = r"^[^\x00]*$"  # which PostgreSQL cannot keep


class Place(Schema):
    """The number of the last event that was seen."""

    after: int = Field(default=0, ge=0)


class Thumb(Schema):
    value: Literal["up", "down"]
    reasons: list[Annotated[str, Field(max_length=40, pattern=WITHOUT_NUL)]] = Field(default=[], max_length=10)
    comment: str = Field(default="", max_length=2000, pattern=WITHOUT_NUL)


@router.post("/ask", summary="Ask, and wait for the checked answer", response=AnswerShape, exclude_unset=True)
@identified("ask")
async def ask(request: HttpRequest, tenant: Path[str], body: Question) -> dict[str, Any]:
    last: dict[str, Any] = {}
    async for event in await _events(request, body):
        last = event
    return dict(
        last.get("answer")
        or {"status": "failed", "reason": last.get("code", "internal"), "detail": last.get("detail", "")}
    )


@router.post("/ask/stream", summary="Ask, and follow the answer as server-sent events", openapi_extra=STREAM)
@identified("ask")
async def ask_stream(request: HttpRequest, tenant: Path[str], body: Question) -> StreamingHttpResponse:
    return sse(await _events(request, body))


@router.get("/answers/{message}/stream", summary="Follow an answer again, after event N", openapi_extra=STREAM)
@identified("ask")
async def resume(
    request: HttpRequest, tenant: Path[str], message: uuid.UUID, place: Query[Place]
) -> StreamingHttpResponse:
    actor = actor_of(request)
    run = running(str(message), actor)
    if run is not None:
        return sse(run.follow(place.after))
    event = await in_tenant(actor.tenant_id, saved_event, actor, str(message), place.after)
    if event is None:
        raise Http404
    return sse(one(event))


@router.post("/answers/{message}/stop", summary="Stop an answer that is being written", response=DoneShape)
@identified("ask")
async def stop(request: HttpRequest, tenant: Path[str], message: uuid.UUID) -> dict[str, str]:
    run = running(str(message), actor_of(request))
    if run is None:
        raise Http404
    run.stop()
    return {"status": "stopping"}


@router.get("/conversations", summary="Your conversations, newest first", response=list[ConversationShape])
@scoped("ask")
def conversations(request: HttpRequest, tenant: Path[str]) -> list[dict[str, Any]]:
    own = Conversation.objects.filter(user_id=actor_of(request).user_id)[:100]
    return [{"id": str(each.pk), "title": each.title, "updated_at": each.updated_at} for each in own]


@router.get(
    "/conversations/{conversation}",
    summary="One conversation, with its answers and citations",
    response=WholeConversationShape,
    exclude_unset=True,
)
@scoped("ask")
def conversation(request: HttpRequest, tenant: Path[str], conversation: uuid.UUID) -> dict[str, Any]:
    found = own_conversation(actor_of(request), str(conversation))
    messages = [
        {"id": str(each.pk), "role": each.role, "text": each.text, "status": each.status, "answer": each.final or None}
        for each in found.messages.all()
    ]
    return {"id": str(found.pk), "title": found.title, "messages": messages}


@router.post("/answers/{message}/feedback", summary="Thumb up or down", response=DoneShape)
@scoped("ask")
def feedback(request: HttpRequest, tenant: Path[str], message: uuid.UUID, body: Thumb) -> dict[str, str]:
    actor = actor_of(request)
    found = Message.objects.filter(pk=message, role="assistant", conversation__user_id=actor.user_id).first()
    if found is None:
        raise Http404
    rate(found, user_id=actor.user_id, **body.dict())
    return {"status": "saved"}


async def _events(request: HttpRequest, body: Question) -> AsyncIterator[dict[str, Any]]:
    """Raises `AssistantError` before anything is sent for a question that cannot be taken."""
    actor = actor_of(request)
    run = running(str(body.id), actor)
    if run is None:
        event = await in_tenant(actor.tenant_id, saved_event, actor, str(body.id), 0)
        if event is not None:
            return one(event)
        conversation_id = str(body.conversation) if body.conversation else None
        run = Run(owner_of(actor), answer(Ask(body.question, actor, conversation_id, body.id)))
        await run.begun()
    return run.follow()
