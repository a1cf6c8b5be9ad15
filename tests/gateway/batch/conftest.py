"""The gateway in front of both batch APIs: what lies between `submit_batch` and the socket is the product's."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.conf import settings
from django.utils import timezone

from accounts.tenancy import in_database, in_tenant
from gateway.batch import advancing, outbox, progress
from gateway.batch.submitting import submit_batch
from gateway.models import Batch, BatchPart
from gateway.redaction import policy
from gateway.types import JSON, Call, Caller, Message, Options, Task
from tests.conftest import Cast
from tests.servers.batch_servers import AnthropicBatchServer, BatchServer, OpenAIBatchServer
from tests.servers.wire import serving

KEY = "sk-test-0123456789abcdefghij"
APIS: dict[str, tuple[Callable[[], BatchServer], str]] = {
    "responses": (OpenAIBatchServer, "gpt-6-luna"),
    "chat": (OpenAIBatchServer, "gpt-6-luna"),
    "anthropic": (AnthropicBatchServer, "claude-haiku-5-5"),
}


@dataclass
class Bench:
    """One tenant, one API. `step` does what the sweep and the worker would do next."""

    tenant_id: int
    user_id: int
    server: BatchServer
    model: str

    def call(self, text: str, **options: Any) -> Call:
        caller = Caller(self.tenant_id, self.user_id, purpose="batch")
        messages = (Message("system", "Be brief."), Message("user", text))
        options = {"model": self.model, "task": Task.EXTRACT, "max_tokens": 50, **options}
        return Call(caller, messages, Options(**options), question=text)

    async def submit(self, *calls: Call) -> UUID:
        return await in_database(submit_batch, calls, label="test")

    async def step(self, *, later: bool = True) -> list[str]:
        """Every part that is not at its end is due now, if it is `later`; the states they come to."""
        if later:
            await self.change_parts(due_at=timezone.now() - timedelta(seconds=1))
        parts = await in_tenant(self.tenant_id, lambda: list(BatchPart.objects.values_list("pk", flat=True)))
        return [await in_database(advancing.advance, self.tenant_id, part) for part in parts]

    async def change_parts(self, **fields: Any) -> None:
        await in_tenant(self.tenant_id, lambda: BatchPart.objects.update(**fields))

    async def die(self) -> None:
        """The worker that held the parts is gone, and its lease over."""
        await self.change_parts(lease_until=timezone.now() - timedelta(seconds=1))

    async def results(self, batch_id: UUID) -> list[JSON]:
        return await in_database(lambda: list(progress.results(self.tenant_id, batch_id)))

    async def batch(self, batch_id: UUID) -> Batch:
        found: Batch = await in_tenant(self.tenant_id, lambda: Batch.objects.get(pk=batch_id))
        return found


@pytest.fixture(params=list(APIS))
def api(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def bench(cast: Cast, api: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    monkeypatch.setattr(outbox.current_app, "send_task", lambda *args, **options: None)
    policy.forget(cast.acme.pk)
    make, model = APIS[api]
    server = make()
    async with serving(server) as wire:
        changed = {
            "answer_models": (model,),
            "openai_key": KEY,
            "anthropic_key": KEY,
            "openai_url": f"{wire.url}/v1",
            "anthropic_url": wire.url,
            "openai_api": "chat" if api == "chat" else "responses",
            "cleared_providers": ("openai", "anthropic"),
        }
        monkeypatch.setattr(settings, "GATEWAY", dataclasses.replace(settings.GATEWAY, **changed))
        yield Bench(cast.acme.pk, cast.alice.pk, server, model)
    policy.forget(cast.acme.pk)
