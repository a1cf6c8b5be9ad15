"""Every address of the door, asked by whoever has no right to: the list is the door's own."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest

from accounts.models import Membership
from accounts.tenancy import in_database, tenant_scope
from gateway.door import grants
from gateway.door.asgi import COMPLETIONS, EMBEDDINGS, MODELS
from gateway.models import AuditRecord, SavedAnswer
from tests.gateway.door.conftest import LUNA, Door, issued
from tests.servers import openai_server
from tests.servers.wire import Script

ADDRESSES = [("POST", path) for path in (*COMPLETIONS, EMBEDDINGS)] + [("GET", MODELS), ("GET", f"{MODELS}/{LUNA}")]
BODY: dict[str, Any] = {
    "/v1/chat/completions": {"messages": [{"role": "user", "content": "?"}]},
    "/v1/responses": {"input": "?"},
    "/v1/messages": {"messages": [{"role": "user", "content": "?"}], "max_tokens": 9},
    "/v1/embeddings": {"input": "?"},
}


@pytest.mark.threat("T1")
@pytest.mark.parametrize(("method", "path"), ADDRESSES)
async def test_a_stranger_finds_nothing(door: Door, behind: Any, method: str, path: str) -> None:
    """With no key, a made-up one, a dead owner's, or one of another tenant with our Idempotency-Key."""
    await behind(Script(openai_server.responses(["Ours."])))
    model = "citedesk/embed" if path == EMBEDDINGS else LUNA
    body = json.dumps({"model": model, **BODY.get(path, {})})

    async def ask(key: str) -> httpx2.Response:
        headers = {"Idempotency-Key": "one", **({"Authorization": f"Bearer {key}"} if key else {})}
        async with httpx2.AsyncClient(timeout=30) as client:
            return await client.request(
                method, door.site + path, content=body if method == "POST" else None, headers=headers
            )

    assert (await ask(door.key)).status_code == 200
    for key in ("", "cdk_000000000000_x", door.key[:-1]):
        assert (await ask(key)).status_code == 401
    _key, text = await in_database(issued, door.cast.mallory_co, door.cast.mallory)
    theirs = await ask(text)
    assert theirs.status_code == 200
    assert "x-citedesk-replayed" not in theirs.headers

    def counted() -> tuple[int, int]:
        with tenant_scope(door.cast.acme.pk):
            return AuditRecord.objects.count(), SavedAnswer.objects.count()

    once = (1, 1) if method == "POST" else (0, 0)
    assert await in_database(counted) == once


@pytest.mark.threat("T5")
async def test_a_key_dies_with_its_owners_membership(door: Door) -> None:
    assert await door.openai.models.list()

    def leave() -> None:
        with tenant_scope(door.cast.acme.pk):
            Membership.objects.filter(user=door.cast.adam).delete()

    await in_database(leave)
    grants._known.clear()
    async with httpx2.AsyncClient() as client:
        answer = await client.get(f"{door.site}/v1/models", headers={"x-api-key": door.key})
    assert answer.status_code == 401
