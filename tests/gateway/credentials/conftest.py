"""The gateway asked as everybody asks it, with real adapters, in front of servers that know keys."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from django.conf import settings

from accounts.tenancy import in_tenant
from gateway import client, retry
from gateway.models import AuditRecord
from gateway.types import Call, Caller, Message, Options
from tests.conftest import Cast
from tests.contracts.cases import CHAT
from tests.servers.wire import Request, Script, Server, failure

Configure = Callable[..., None]


class Asked:
    """`await ask()` is one question to `model`."""

    def __init__(self, caller: Caller, model: str) -> None:
        self.caller, self.model = caller, model

    async def __call__(self, text: str = "How?", model: str = "") -> str:
        options = Options(max_tokens=50, model=model or self.model)
        return (await client.complete(Call(self.caller, (Message("user", text),), options))).text

    async def record(self) -> AuditRecord:
        """What was written down of the last question."""

        def last() -> AuditRecord:
            found = AuditRecord.objects.select_related("content").order_by("sequence").last()
            assert found is not None
            return found

        return await in_tenant(self.caller.tenant_id, last)


class KnowsKeys:
    """Speaks Chat Completions to whoever has one of `valid`; `busy` keys have to wait."""

    def __init__(self, *valid: str) -> None:
        self.valid, self.busy = set(valid), set[str]()

    def respond(self, request: Request) -> Script:
        key = request.headers.get("authorization", "").removeprefix("Bearer ")
        if key in self.busy:
            return failure(429, CHAT.error(429, "rate_limit_exceeded", "slow down"), Retry_After="30")
        if key not in self.valid:
            return failure(401, CHAT.error(401, "invalid_api_key", f"Incorrect API key provided: {key}"))
        return Script(CHAT.say(["Yes."], "stop"))


def keys_of(server: Server) -> list[str]:
    """With which key each request came."""
    return [request.headers["authorization"].removeprefix("Bearer ") for request in server.requests]


@pytest.fixture
def ask(cast: Cast) -> Asked:
    return Asked(Caller(tenant_id=cast.acme.pk, user_id=cast.alice.pk), "gpt-6-luna")


@pytest.fixture
def configure(monkeypatch: pytest.MonkeyPatch) -> Configure:
    """Sets the gateway's settings, and keeps pauses short."""
    monkeypatch.setattr(retry, "FIRST_BOUND", 0.01)

    def apply(*, credentials: Iterable[Any] = (), **fields: Any) -> None:
        conf = dataclasses.replace(settings.GATEWAY, credentials=tuple(credentials), openai_api="chat", **fields)
        monkeypatch.setattr(settings, "GATEWAY", conf)

    return apply
