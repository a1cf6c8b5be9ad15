"""The door as programs meet it: the real SDKs, over loopback HTTP, against Daphne; behind it servers
that speak the providers' protocols."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from anthropic import AsyncAnthropic
from django.conf import settings
from openai import AsyncOpenAI

from accounts.models import ApiKey, Tenant, User
from accounts.tenancy import in_database, tenant_scope
from gateway.models import AuditRecord, Budget, BudgetUse
from tests.conftest import Cast
from tests.servers.wire import Request, Script, Server, serving

Answers = Script | list[Script] | Callable[[Request], Script]
LUNA, HAIKU = "gpt-6-luna", "claude-haiku-5-5"


@dataclass
class Door:
    """The address, and acme's key for it."""

    site: str
    cast: Cast
    key: str
    openai: AsyncOpenAI
    anthropic: AsyncAnthropic

    async def record(self, audit_id: str) -> AuditRecord:
        def find() -> AuditRecord:
            with tenant_scope(self.cast.acme.pk):
                return AuditRecord.objects.get(pk=uuid.UUID(audit_id))

        return await in_database(find)

    async def records(self) -> list[AuditRecord]:
        def find() -> list[AuditRecord]:
            with tenant_scope(self.cast.acme.pk):
                return list(AuditRecord.objects.order_by("sequence"))

        return await in_database(find)

    async def uses(self) -> list[BudgetUse]:
        def find() -> list[BudgetUse]:
            with tenant_scope(self.cast.acme.pk):
                return list(BudgetUse.objects.order_by("budget_id"))

        return await in_database(find)

    async def budget(self, **fields: Any) -> None:
        def make() -> None:
            with tenant_scope(self.cast.acme.pk):
                Budget.objects.create(tenant=self.cast.acme, **fields)

        await in_database(make)


def issued(tenant: Tenant, owner: User, **more: Any) -> tuple[ApiKey, str]:
    given = {"name": "CRM", "scopes": ["gateway"], "purpose": "crm", **more}
    with tenant_scope(tenant.pk):
        return ApiKey.issue(tenant=tenant, owner=owner, **given)


@asynccontextmanager
async def clients(site: str, key: str) -> AsyncIterator[tuple[AsyncOpenAI, AsyncAnthropic]]:
    async with (
        AsyncOpenAI(api_key=key, base_url=f"{site}/v1", max_retries=0) as openai,
        AsyncAnthropic(api_key=key, base_url=site, max_retries=0) as anthropic,
    ):
        yield openai, anthropic


@pytest.fixture
async def door(cast: Cast, site: str) -> AsyncIterator[Door]:
    _key, text = await in_database(issued, cast.acme, cast.adam)
    async with clients(site, text) as (openai, anthropic):
        yield Door(site, cast, text, openai, anthropic)


@pytest.fixture
async def behind(door: Door, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Callable[..., Any]]:
    """Puts a server behind the door that speaks for OpenAI, Anthropic and both of their models."""
    async with AsyncExitStack() as stack:

        async def serve(answers: Answers, **more: Any) -> Server:
            server = await stack.enter_async_context(serving(answers))
            named = {
                "openai_key": "sk-test-upstream",
                "openai_url": f"{server.url}/v1",
                "anthropic_key": "sk-test-upstream",
                "anthropic_url": server.url,
                "answer_models": (LUNA, HAIKU),
                **more,
            }
            monkeypatch.setattr(settings, "GATEWAY", dataclasses.replace(settings.GATEWAY, **named))
            return server

        yield serve
