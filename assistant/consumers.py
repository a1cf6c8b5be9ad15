"""The websocket door: one socket, many answers.

The socket hears while it speaks, because answers are generated in tasks of their own. What is
sent is bounded: the reader acknowledges, and one that does not read is dropped (R4).
"""

from __future__ import annotations

import asyncio
import json
from typing import ClassVar

from channels.generic.websocket import AsyncWebsocketConsumer
from django.contrib.sessions.backends.db import SessionStore
from pydantic import ValidationError

from accounts.models import User
from accounts.permissions import Actor, actor_for
from accounts.tenancy import in_database, in_tenant
from assistant.messages import AckMessage, AskMessage, Incoming, ResumeMessage, StopMessage, incoming
from assistant.pipeline.answer import Ask, answer
from assistant.running import Run, owner_of, running, saved_event

MAX_MESSAGE = 32_000
UNACKNOWLEDGED = 1000  # events in flight; a long answer has about 400
MEMBER_CHECK_SECONDS = 3.0
CLOSE_SIGNED_OUT, CLOSE_NOT_FOUND, CLOSE_SLOW, CLOSE_TOO_BIG = 4401, 4404, 4408, 4413


class PortalConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]
    """Messages of `assistant.messages` in, events of `assistant.events` out, each with the id of
    its message."""

    receives: ClassVar = Incoming

    async def connect(self) -> None:
        self.followers: set[asyncio.Task[None]] = set()
        self.in_flight = 0
        self.actor: Actor | None = await self._member()
        if self.actor is None:
            await self.close(CLOSE_NOT_FOUND if self.scope["user"].is_authenticated else CLOSE_SIGNED_OUT)
            return
        await self.accept()
        self.watch = asyncio.create_task(self._watch_membership())

    async def disconnect(self, code: int) -> None:
        # The runs go on: the reader may come back for them.
        for task in {*self.followers, *filter(None, [getattr(self, "watch", None)])}:
            task.cancel()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if text_data is None or len(text_data) > MAX_MESSAGE:
            await self.close(CLOSE_TOO_BIG)
            return
        try:
            message = incoming.validate_json(text_data)
        except ValidationError:
            await self._error("bad_message", "That message is not understood.")
            return
        match message:
            case AskMessage():
                await self.ask(message)
            case StopMessage():
                await self.stop(message)
            case ResumeMessage():
                await self.resume(message)
            case AckMessage():
                self.in_flight = 0

    async def ask(self, message: AskMessage) -> None:
        if await self._follow_existing(str(message.id), 0):
            return  # asked twice: one effect (R10)
        assert self.actor is not None
        conversation = str(message.conversation) if message.conversation else None
        ask = Ask(message.question, self.actor, conversation, message.id)
        self._follow(str(message.id), Run(owner_of(self.actor), answer(ask)), 0)

    async def stop(self, message: StopMessage) -> None:
        assert self.actor is not None
        run = running(str(message.message), self.actor)
        if run is None:
            await self._error("not_found", "There is no such answer.")
            return
        run.stop()

    async def resume(self, message: ResumeMessage) -> None:
        if not await self._follow_existing(str(message.message), message.after):
            await self._error("not_found", "There is no such answer.")

    async def _follow_existing(self, message_id: str, after: int) -> bool:
        assert self.actor is not None
        run = running(message_id, self.actor)
        if run is not None:
            self._follow(message_id, run, after)
            return True
        event = await in_tenant(self.actor.tenant_id, saved_event, self.actor, message_id, after)
        if event is None:
            return False
        await self.send(json.dumps({**event, "message": message_id}))
        return True

    def _follow(self, message_id: str, run: Run, after: int) -> None:
        task = asyncio.create_task(self._send_events(message_id, run, after))
        self.followers.add(task)
        task.add_done_callback(self.followers.discard)

    async def _send_events(self, message_id: str, run: Run, after: int) -> None:
        async for event in run.follow(after):
            self.in_flight += 1
            if self.in_flight > UNACKNOWLEDGED:
                await self.close(CLOSE_SLOW)
                return
            await self.send(json.dumps({**event, "message": message_id}))

    async def _error(self, code: str, detail: str) -> None:
        await self.send(json.dumps({"v": 1, "n": 0, "type": "error", "code": code, "detail": detail}))

    async def _member(self) -> Actor | None:
        user, slug = self.scope["user"], self.scope["url_route"]["kwargs"]["tenant"]
        return await in_database(actor_for, user, slug) if user is not None and user.is_authenticated else None

    async def _watch_membership(self) -> None:
        """Closes the socket within 5 s of sign-out, suspension or loss of role (T5)."""
        key = self.scope["session"].session_key
        while True:
            await asyncio.sleep(MEMBER_CHECK_SECONDS)
            self.scope["user"] = await in_database(_fresh, self.scope["user"])
            signed_in = await in_database(SessionStore().exists, key)
            actor = await self._member() if signed_in else None
            if actor is None or self.actor is None or actor.role != self.actor.role:
                await self.close(CLOSE_SIGNED_OUT)
                return


def _fresh(user: User) -> User | None:
    return User.objects.filter(pk=user.pk, is_active=True).first()
