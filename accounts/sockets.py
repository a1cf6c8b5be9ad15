"""Websockets of a tenant's members: who may open one, and that it closes when they may no longer."""

from __future__ import annotations

import asyncio
from typing import ClassVar

from channels.generic.websocket import AsyncWebsocketConsumer
from django.contrib.sessions.backends.db import SessionStore

from accounts.models import Role, User
from accounts.permissions import Actor, actor_for
from accounts.tenancy import in_database

MEMBER_CHECK_SECONDS = 3.0
CLOSE_SIGNED_OUT, CLOSE_NOT_FOUND, CLOSE_SLOW, CLOSE_TOO_BIG = 4401, 4404, 4408, 4413


class MemberConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]
    """`actor` is the member, of at least `role`. To others the socket does not exist."""

    role: ClassVar[Role] = Role.CUSTOMER

    async def connect(self) -> None:
        self.actor: Actor | None = await self._member()
        if self.actor is None:
            await self.close(CLOSE_NOT_FOUND if self.scope["user"].is_authenticated else CLOSE_SIGNED_OUT)
            return
        await self.accept()
        self.watch = asyncio.create_task(self._watch_membership())

    async def disconnect(self, code: int) -> None:
        if watch := getattr(self, "watch", None):
            watch.cancel()

    async def _member(self) -> Actor | None:
        user, slug = self.scope["user"], self.scope["url_route"]["kwargs"]["tenant"]
        if user is None or not user.is_authenticated:
            return None
        actor = await in_database(actor_for, user, slug)
        return actor if actor is not None and actor.at_least(self.role) else None

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
