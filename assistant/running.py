"""Answers and drafts in the making. Each is generated in a task of its own, so that whoever reads
it can leave, come back, or say "stop" while it runs (R5, R6).

A run lives in the process that began it and for a while after its end. A reader that resumes
elsewhere, or too late, gets the saved `final` (`saved_event`).
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from accounts.permissions import Actor
from assistant.errors import AssistantError
from assistant.events import Accepted, Error, Event
from assistant.models import Message, Status

KEEP_SECONDS = 120
ENDS = {"final", "error"}
Owner = tuple[int, int | None]  # tenant and user; without a user it is the tenant's agents'


def owner_of(actor: Actor) -> Owner:
    return actor.tenant_id, actor.user_id


class Run:
    """Something being written: its numbered events so far, and whoever waits for the next. It is
    known by the `message` of its `accepted` event."""

    def __init__(self, owner: Owner, events: AsyncGenerator[Event, None]) -> None:
        self.owner = owner
        self.key = ""
        self.events: list[dict[str, Any]] = []
        self.done = False
        self._refused: AssistantError | None = None
        self._changed = asyncio.Condition()
        self.task = asyncio.create_task(self._generate(events))

    async def _generate(self, events: AsyncGenerator[Event, None]) -> None:
        try:
            async for event in events:
                await self._add(event)
        except AssistantError as error:
            self._refused = error
            await self._add(Error(error.code, error.detail, error.retryable))
        finally:
            if not self.events or self.events[-1]["type"] not in ENDS:
                # A bug of ours: the reader must not wait for ever. The task keeps the traceback.
                await self._add(Error("internal", "Something went wrong on our side. What you wrote is saved.", True))
            self.done = True
            asyncio.get_running_loop().call_later(KEEP_SECONDS, runs.pop, self.key, None)
            async with self._changed:
                self._changed.notify_all()

    async def _add(self, event: Event) -> None:
        if isinstance(event, Accepted):
            self.key = event.message
            runs[self.key] = self
        async with self._changed:
            self.events.append(event.payload(len(self.events) + 1))
            self._changed.notify_all()

    async def begun(self) -> None:
        """Waits for the first event. Raises `AssistantError` when what was asked is refused."""
        async with self._changed:
            while not self.events and not self.done:
                await self._changed.wait()
        if self._refused is not None:
            raise self._refused

    async def follow(self, after: int = 0) -> AsyncIterator[dict[str, Any]]:
        """Events from `after` + 1 to the last. Costs nothing to leave."""
        while True:
            async with self._changed:
                while len(self.events) <= after and not self.done:
                    await self._changed.wait()
                fresh = self.events[after:]
            if not fresh:
                return
            for event in fresh:
                yield event
            after += len(fresh)

    def stop(self) -> None:
        """Closes the provider's stream; the answer so far is saved and comes as `final`."""
        self.task.cancel()


runs: dict[str, Run] = {}


def running(message_id: str, actor: Actor) -> Run | None:
    """The actor's own run, or None: another person's is as good as none (T3)."""
    return running_for(message_id, owner_of(actor))


def running_for(message_id: str, owner: Owner) -> Run | None:
    run = runs.get(message_id)
    return run if run is not None and run.owner == owner else None


def saved_event(actor: Actor, message_id: str, after: int) -> dict[str, Any] | None:
    """The last event of an answer that is no longer running here. Call within `tenant_scope`."""
    try:
        key = uuid.UUID(message_id)
    except ValueError:
        return None
    message = Message.objects.filter(pk=key, conversation__user_id=actor.user_id, role="assistant").first()
    if message is None or message.status == Status.STREAMING:
        return None
    kind = {"type": "final", "answer": message.final}
    if message.status == Status.FAILED:
        kind = {"type": "error", "code": message.final.get("reason", "internal"), "detail": "", "answer": message.final}
    return {"v": 1, "n": after + 1, **kind}
