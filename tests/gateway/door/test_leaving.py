"""Clients that leave, read slowly, or send slowly."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from decimal import Decimal
from typing import Any

import anthropic
import httpx2
import openai
import pytest

from gateway.door import running, wire
from gateway.door.asgi import application
from tests.gateway.door.conftest import LUNA, Door
from tests.servers import openai_server
from tests.servers.wire import Script

ASKED: Any = [{"role": "user", "content": "How long?"}]


@pytest.mark.threat("B2", "R5")
@pytest.mark.parametrize("stream", [True, False])
async def test_a_client_that_leaves_stops_the_provider_within_half_a_second_and_pays(
    door: Door, behind: Any, stream: bool
) -> None:
    server = await behind(Script(openai_server.responses(["Thirty "] * 300), pause=0.05))

    if stream:
        answer: Any = await door.openai.chat.completions.create(model=LUNA, messages=ASKED, stream=True)
        await anext(answer)
        await answer.close()
    else:
        asking = asyncio.create_task(door.openai.chat.completions.create(model=LUNA, messages=ASKED))
        await asyncio.wait_for(server.asked.wait(), 5)
        asking.cancel()
        with suppress(asyncio.CancelledError):
            await asking
    left = asyncio.get_running_loop().time()
    await asyncio.wait_for(server.gone.wait(), 2)
    assert asyncio.get_running_loop().time() - left < 0.5
    for _look in range(200):
        if records := await door.records():
            break
        await asyncio.sleep(0.02)
    [use] = await door.uses()
    assert (records[0].finish_reason, records[0].usage_estimated) == ("cancelled", True)
    assert use.reserved == 0
    assert use.settled == records[0].cost > Decimal(0)


@pytest.mark.threat("R4")
async def test_a_fast_model_is_sent_in_few_frames_whether_or_not_the_client_reads(door: Door, behind: Any) -> None:
    """What a server may have to keep for a client grows by twenty frames a second, not by tokens."""
    await behind(Script(openai_server.responses(["word "] * 5000)))
    began = asyncio.get_running_loop().time()
    stream: Any = await door.openai.chat.completions.create(model=LUNA, messages=ASKED, stream=True)
    chunks = [chunk async for chunk in stream]
    seconds = asyncio.get_running_loop().time() - began
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "word " * 5000
    assert len(chunks) <= seconds / running.PAUSE + 5


@pytest.mark.threat("R4")
async def test_a_client_that_takes_nothing_is_dropped_and_the_provider_stopped(
    door: Door, behind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a server that waits for its client. Daphne does not: there the frames are bounded."""
    monkeypatch.setattr(wire, "SLOWEST_READER", 0.2)
    server = await behind(Script(openai_server.responses(["word "] * 200), pause=0.02))
    bodies = [b'{"model": "%s", "stream": true, "messages": [{"role": "user", "content": "?"}]}' % LUNA.encode()]
    sent = 0
    never = asyncio.Event()

    async def receive() -> dict[str, Any]:
        if bodies:
            return {"type": "http.request", "body": bodies.pop()}
        await never.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        nonlocal sent
        sent += 1
        if sent > 3:
            await never.wait()

    headers = [(b"authorization", f"Bearer {door.key}".encode())]
    scope = {"type": "http", "method": "POST", "path": "/v1/chat/completions", "headers": headers}
    await asyncio.wait_for(application(scope, receive, send), 5)
    await asyncio.wait_for(server.gone.wait(), 1)
    assert [record.finish_reason for record in await door.records()] == ["cancelled"]


@pytest.mark.threat("T11")
async def test_a_body_that_is_too_large_is_refused(door: Door, behind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "LARGEST_BODY", 10_000)
    server = await behind(Script(openai_server.responses(["Yes."])))
    with pytest.raises(openai.APIStatusError) as caught:
        await door.openai.chat.completions.create(model=LUNA, messages=[{"role": "user", "content": "x" * 20_000}])
    assert (caught.value.status_code, caught.value.code) == (413, "too_large")
    with pytest.raises(anthropic.APIStatusError) as refused:
        await door.anthropic.messages.create(
            model=LUNA, max_tokens=9, messages=[{"role": "user", "content": "x" * 20_000}]
        )
    assert refused.value.status_code == 413
    assert server.requests == []


@pytest.mark.threat("T11")
@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b"\xff", b'{"model": "\\ud800", "messages": []}', b"[" * 100_000, b'{"n": NaN}'],
)
async def test_nonsense_is_answered_with_a_code(door: Door, behind: Any, body: bytes) -> None:
    async with httpx2.AsyncClient() as client:
        for path in ("chat/completions", "responses", "messages", "embeddings"):
            answer = await client.post(
                f"{door.site}/v1/{path}", content=body, headers={"Authorization": f"Bearer {door.key}"}
            )
            assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_input")


@pytest.mark.threat("T11")
@pytest.mark.parametrize("length", ["Content-Length: 99999999", "Transfer-Encoding: chunked"])
async def test_a_body_that_is_too_large_is_refused_while_it_comes(door: Door, length: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(door.site.rpartition(":")[2]))
    writer.write(f"POST /v1/messages HTTP/1.1\r\nHost: localhost\r\n{length}\r\n\r\n".encode())
    if "chunked" in length:
        piece = b"%x\r\n%s\r\n" % (1_000_000, b"x" * 1_000_000)
        for _number in range(12):
            writer.write(piece)
            await writer.drain()
    assert b" 413 " in await asyncio.wait_for(reader.readline(), 5)
    writer.close()


@pytest.mark.threat("T11")
async def test_a_body_that_never_ends_is_cut_off(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "SLOWEST_BODY", 0.5)
    reader, writer = await asyncio.open_connection("127.0.0.1", int(door.site.rpartition(":")[2]))
    writer.write(b"POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\n{")
    with suppress(ConnectionError):
        assert await asyncio.wait_for(reader.read(), 5) == b""
    writer.close()
