"""The websocket door: one socket, many answers.

The socket hears while it speaks, because answers are generated in tasks of their own. What is
sent is bounded: the reader acknowledges, and one that does not read is dropped (R4).
"""

from __future__ import annotations

import asyncio
import json
from typing import ClassVar

from pydantic import ValidationError

from accounts.sockets import CLOSE_SLOW, CLOSE_TOO_BIG, MemberConsumer
from accounts.tenancy import in_tenant
from assistant.messages import AckMessage, AskMessage, Incoming, ResumeMessage, StopMessage, incoming
from assistant.pipeline.answer import Ask, answer
from assistant.running import Run, owner_of, running, saved_event

MAX_MESSAGE = 32_000
UNACKNOWLEDGED = 1000  # events in flight; a long answer has about 400


class PortalConsumer(MemberConsumer):
    """Messages of `assistant.messages` in, events of `assistant.events` out, each with the id of
    its message."""

    receives: ClassVar = Incoming

    async def connect(self) -> None:
        self.followers: set[asyncio.Task[None]] = set()
        self.in_flight = 0
        await super().connect()

    async def disconnect(self, code: int) -> None:
        # The runs go on: the reader may come back for them.
        for task in set(self.followers):
            task.cancel()
        await super().disconnect(code)

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
