"""Websocket, SSE and JSON: the same answer behind each."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from accounts.tenancy import in_database, tenant_scope
from assistant import running
from assistant.events import Delta
from assistant.models import Message
from tests.conftest import PASSWORD, Cast
from tests.sockets import signed_in, socket, until_end

QUESTION = "How long do I have to return a lamp?"
ARTICLE = (
    "Returning a lamp",
    "You can return a lamp within 30 days of delivery. Pack it in its box and keep the receipt.",
)


@pytest.fixture
def known(learn: Callable[..., None]) -> None:
    learn(ARTICLE)


async def test_the_websocket_streams_numbered_events_without_a_gap(cast: Cast, known: None) -> None:
    communicator = await socket("alice")
    assert (await communicator.connect())[0]
    await communicator.send_to(json.dumps({"type": "ask", "question": QUESTION}))
    events = await until_end(communicator)
    assert [event["n"] for event in events] == list(range(1, len(events) + 1))
    assert [event["type"] for event in events][:3] == ["accepted", "progress", "sources"]
    assert "30 days" in events[-1]["answer"]["answer"]
    await communicator.disconnect()


@pytest.mark.threat("R6")
async def test_a_reader_resumes_after_the_event_it_saw_last(cast: Cast, known: None) -> None:
    first = await socket("alice")
    await first.connect()
    message = str(uuid.uuid4())
    await first.send_to(json.dumps({"type": "ask", "question": QUESTION, "id": message}))
    seen = await until_end(first)
    await first.disconnect()
    second = await socket("alice")
    await second.connect()
    await second.send_to(json.dumps({"type": "resume", "message": message, "after": 3}))
    assert await until_end(second) == seen[3:]
    await second.disconnect()


@pytest.mark.threat("R10")
async def test_the_same_id_asked_twice_is_one_question(cast: Cast, known: None) -> None:
    communicator = await socket("alice")
    await communicator.connect()
    body = json.dumps({"type": "ask", "question": QUESTION, "id": str(uuid.uuid4())})
    await communicator.send_to(body)
    await until_end(communicator)
    await communicator.send_to(body)
    await until_end(communicator)
    await communicator.disconnect()

    def questions() -> int:
        with tenant_scope(cast.acme.pk):
            return int(Message.objects.filter(role="user").count())

    assert await in_database(questions) == 1


@pytest.mark.threat("T3")
async def test_nobody_else_can_follow_or_stop_an_answer(cast: Cast, known: None) -> None:
    alice = await socket("alice")
    await alice.connect()
    message = str(uuid.uuid4())
    await alice.send_to(json.dumps({"type": "ask", "question": QUESTION, "id": message}))
    await until_end(alice)
    for name, tenant in (("adam", "acme"), ("mallory", "mallory")):
        other = await socket(name, tenant)
        await other.connect()
        for attempt in ({"type": "resume", "message": message, "after": 0}, {"type": "stop", "message": message}):
            await other.send_to(json.dumps(attempt))
            assert json.loads(await other.receive_from(timeout=10))["code"] == "not_found"
        await other.disconnect()
    await alice.disconnect()


@pytest.mark.threat("T1", "T4")
@pytest.mark.parametrize(
    ("name", "tenant", "origin"),
    [
        ("mallory", "acme", "http://localhost"),
        ("", "acme", "http://localhost"),
        ("alice", "nowhere", "http://localhost"),
        ("alice", "acme", "http://evil.example"),
        ("alice", "acme", "null"),
        ("alice", "acme", None),
    ],
)
async def test_a_socket_is_refused_to_strangers_and_foreign_pages(
    cast: Cast, name: str, tenant: str, origin: str | None
) -> None:
    communicator = await socket(name, tenant, origin)
    assert (await communicator.connect())[0] is False


@pytest.mark.threat("T11")
@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "null",
        "[" * 20_000,
        '{"type": "nonsense"}',
        '{"type": "resume", "after": "x"}',
        '{"type":{}}',
        '{"type": "stop", "message": "1"}',
        '{"type": "ask", "question": null}',
        '{"type": "ask", "question": "\\ud800"}',
    ],
)
async def test_nonsense_on_the_socket_is_answered_with_a_code(cast: Cast, text: str) -> None:
    communicator = await socket("alice")
    await communicator.connect()
    await communicator.send_to(text)
    assert json.loads(await communicator.receive_from(timeout=10))["code"] == "bad_message"
    await communicator.disconnect()


@pytest.mark.threat("T5")
async def test_a_socket_dies_when_its_member_is_shut_out(cast: Cast) -> None:
    communicator = await socket("alice")
    await communicator.connect()

    def shut_out() -> None:
        cast.alice.is_active = False
        cast.alice.save()

    await in_database(shut_out)
    assert (await communicator.receive_output(timeout=5))["type"] == "websocket.close"


async def test_json_and_sse_give_the_same_answer(cast: Cast, known: None) -> None:
    client = await signed_in("alice")
    body = {"question": QUESTION}
    plain = (await client.post("/api/t/acme/ask", body, content_type="application/json")).json()
    response = await client.post("/api/t/acme/ask/stream", body, content_type="application/json")
    text = b"".join([chunk async for chunk in response.streaming_content]).decode()
    last = json.loads(text.strip().split("\n\n")[-1].split("data: ")[1])
    assert response["Content-Type"] == "text/event-stream"
    assert last["answer"]["answer"] == plain["answer"]
    assert plain["citations"]


@pytest.mark.threat("R5")
async def test_stop_ends_the_answer_and_keeps_the_question(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    async def endless(*args: Any, **kwargs: Any) -> Any:
        await asyncio.Event().wait()
        yield

    monkeypatch.setattr("assistant.pipeline.answer.compose", endless)
    communicator = await socket("alice")
    await communicator.connect()
    message = str(uuid.uuid4())
    await communicator.send_to(json.dumps({"type": "ask", "question": QUESTION, "id": message}))
    assert json.loads(await communicator.receive_from(timeout=10))["type"] == "accepted"
    await communicator.send_to(json.dumps({"type": "stop", "message": message}))
    final = json.loads(await communicator.receive_from(timeout=5))
    assert (final["type"], final["answer"]["status"]) == ("final", "stopped")
    await communicator.disconnect()
    assert running.runs[message].done


@pytest.mark.threat("R4")
async def test_a_reader_that_does_not_acknowledge_is_dropped_and_one_that_does_is_not(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    def writing(may_go_on: asyncio.Semaphore) -> None:
        async def long(*args: Any, **kwargs: Any) -> Any:
            for number in range(30):
                await may_go_on.acquire()
                yield Delta(f"{number} ")

        monkeypatch.setattr("assistant.pipeline.answer.compose", long)

    writing(asyncio.Semaphore(30))
    monkeypatch.setattr("assistant.consumers.UNACKNOWLEDGED", 20)
    slow = await socket("alice")
    await slow.connect()
    message = str(uuid.uuid4())
    await slow.send_to(json.dumps({"type": "ask", "question": QUESTION, "id": message}))
    sent = 0
    while (output := await slow.receive_output(timeout=10))["type"] == "websocket.send":
        sent += 1
    assert (sent, output["code"]) == (20, 4408)

    may_go_on = asyncio.Semaphore(0)
    writing(may_go_on)
    reader = await socket("alice")
    await reader.connect()
    await reader.send_to(json.dumps({"type": "ask", "question": QUESTION}))
    seen: list[dict[str, Any]] = []
    while not seen or seen[-1]["type"] != "final":
        event = json.loads(await reader.receive_from(timeout=10))
        if event["type"] == "error":  # messages are answered in turn: the acknowledgement was heard
            may_go_on.release()
            continue
        seen.append(event)
        await reader.send_to('{"type": "ack"}')
        await reader.send_to("nonsense")
    assert len(seen) == 32
    await reader.disconnect()


def test_a_post_from_a_foreign_page_is_refused(cast: Cast) -> None:
    client = Client(enforce_csrf_checks=True)
    client.login(email="alice@example.com", password=PASSWORD)
    response = client.post("/api/t/acme/ask", {"question": QUESTION}, content_type="application/json")
    assert (response.status_code, response.json()["code"]) == (403, "csrf_failed")
