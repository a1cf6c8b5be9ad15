"""The websocket on which a page follows the files that were handed in.

The states are read from the database, because the worker that changes them is another process, and may be
on another machine.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from typing import Annotated, ClassVar, Literal

from ninja import Field, Schema
from pydantic import TypeAdapter, ValidationError

from accounts.models import Role
from accounts.sockets import CLOSE_SLOW, CLOSE_TOO_BIG, MemberConsumer
from accounts.tenancy import in_tenant
from knowledge.uploads import Upload, progress

MAX_MESSAGE = 1000
MAX_WATCHED = 500
UNACKNOWLEDGED = 1000
LOOK_SECONDS = 0.5


class WatchMessage(Schema):
    """To be told of every change of the document until it is searchable or has failed."""

    type: Literal["watch"]
    document: uuid.UUID


class AckMessage(Schema):
    """The page has read what was sent so far."""

    type: Literal["ack"]


Incoming = WatchMessage | AckMessage
incoming: TypeAdapter[Incoming] = TypeAdapter(Annotated[Incoming, Field(discriminator="type")])


class UploadConsumer(MemberConsumer):
    receives: ClassVar = Incoming
    role = Role.AGENT

    async def connect(self) -> None:
        self.watched: dict[uuid.UUID, str] = {}  # with the state that was told last
        self.look: asyncio.Task[None] | None = None
        self.in_flight = self.number = 0
        await super().connect()

    async def disconnect(self, code: int) -> None:
        if self.look is not None:
            self.look.cancel()
        await super().disconnect(code)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if text_data is None or len(text_data) > MAX_MESSAGE:
            await self.close(CLOSE_TOO_BIG)
            return
        try:
            message = incoming.validate_json(text_data)
        except ValidationError:
            await self._say(type="error", code="bad_message", detail="That message is not understood.")
            return
        match message:
            case WatchMessage():
                await self._watch_document(message.document)
            case AckMessage():
                self.in_flight = 0

    async def _watch_document(self, document: uuid.UUID) -> None:
        assert self.actor is not None
        found = await in_tenant(self.actor.tenant_id, progress, [document])
        if not found or len(self.watched) >= MAX_WATCHED:
            await self._say(type="error", code="not_found", detail="There is no such document.")
            return
        await self._tell(document, found[0])
        if self.watched and (self.look is None or self.look.done()):
            self.look = asyncio.create_task(self._follow())

    async def _follow(self) -> None:
        assert self.actor is not None
        while self.watched:
            await asyncio.sleep(LOOK_SECONDS)
            for upload in await in_tenant(self.actor.tenant_id, progress, list(self.watched)):
                document = uuid.UUID(upload.document)
                if self.watched.get(document) != upload.state:
                    await self._tell(document, upload)

    async def _tell(self, document: uuid.UUID, upload: Upload) -> None:
        self.watched[document] = upload.state
        if upload.finished:
            del self.watched[document]
        await self._say(type="document", **upload.as_json())

    async def _say(self, **event: object) -> None:
        self.in_flight += 1
        if self.in_flight > UNACKNOWLEDGED:
            await self.close(CLOSE_SLOW)
            return
        self.number += 1
        await self.send(json.dumps({"v": 1, "n": self.number, **event}))
