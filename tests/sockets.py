"""Websockets as a browser opens them, against the ASGI application."""

from __future__ import annotations

import json
from typing import Any

from channels.testing import WebsocketCommunicator
from django.test import AsyncClient

from config.asgi import application
from tests.conftest import PASSWORD


async def signed_in(name: str) -> AsyncClient:
    client = AsyncClient()
    assert await client.alogin(email=f"{name}@example.com", password=PASSWORD)
    return client


async def socket(
    name: str, tenant: str = "acme", origin: str | None = "http://localhost", path: str = "ws/t/{tenant}/"
) -> WebsocketCommunicator:
    client = await signed_in(name) if name else AsyncClient()
    cookies = "; ".join(f"{key}={morsel.value}" for key, morsel in client.cookies.items())
    headers = [(b"cookie", cookies.encode()), (b"host", b"localhost")]
    if origin:
        headers.append((b"origin", origin.encode()))
    return WebsocketCommunicator(application, "/" + path.format(tenant=tenant), headers=headers)


async def until_end(communicator: WebsocketCommunicator) -> list[dict[str, Any]]:
    events = []
    while not events or events[-1]["type"] not in {"final", "error"}:
        events.append(json.loads(await communicator.receive_from(timeout=60)))
    return events
