"""Every message of every websocket, with other people's ids in it. Which sockets there are is read
from the ASGI application, which messages they take from their consumers, and where in a message an
id may stand from its fields."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, get_args

import pytest
from channels.routing import URLRouter
from channels.testing import WebsocketCommunicator

from accounts.tenancy import in_tenant
from assistant import running
from assistant.events import Delta, Event
from assistant.models import Conversation, Message
from config.asgi import application
from tests.conftest import Cast
from tests.sockets import socket, until_end

SECRET = "The lamp of Alice is blue"
STRANGERS = [("mallory", "mallory"), ("adam", "acme")]  # of another company; of the same one


def routes(app: Any) -> list[tuple[str, Any]]:
    """(path with {tenant}, consumer class) of each socket below an ASGI application."""
    if isinstance(app, URLRouter):
        return [(str(r.pattern).replace("<slug:tenant>", "{tenant}"), r.callback.consumer_class) for r in app.routes]
    inner = getattr(app, "application", None) or getattr(app, "inner", None)
    assert inner is not None, f"cannot look into {app!r}"
    return routes(inner)


ROUTES = routes(application.application_mapping["websocket"])
MESSAGES = [(path, kind) for path, consumer in ROUTES for kind in get_args(consumer.receives)]
# (path, message type, field that takes an id): each is tried with every id of Alice's.
PROBES = [
    (path, kind, name)
    for path, kind in MESSAGES
    for name, field in kind.model_fields.items()
    if uuid.UUID in (field.annotation, *get_args(field.annotation))
]


@dataclass(frozen=True)
class Alices:
    """What alice of acme has: a conversation, an answer that is finished and one being written."""

    socket: WebsocketCommunicator
    conversation: str
    finished: str
    running: str

    @property
    def ids(self) -> list[str]:
        return [self.conversation, self.finished, self.running]


@pytest.fixture
async def alices(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Alices]:
    async def endless(request: Any, outcome: Any) -> AsyncIterator[Event]:
        if request.caller.user_id == cast.alice.pk:
            yield Delta(SECRET)
            await asyncio.Event().wait()

    def finished() -> tuple[str, str]:
        chat = Conversation.objects.create(tenant=cast.acme, user=cast.alice, title=SECRET)
        values = {"tenant": cast.acme, "conversation": chat, "text": SECRET, "final": {"answer": SECRET}}
        answer = Message.objects.create(number=1, role="assistant", **values)
        return str(chat.pk), str(answer.pk)

    chat, answer = await in_tenant(cast.acme.pk, finished)
    monkeypatch.setattr("assistant.pipeline.answer.compose", endless)
    own, message = await socket("alice"), str(uuid.uuid4())
    assert (await own.connect())[0]
    await own.send_to(json.dumps({"type": "ask", "question": SECRET, "id": message}))
    while json.loads(await own.receive_from(timeout=10))["type"] != "delta":
        pass
    yield Alices(own, chat, answer, message)
    running.runs[message].stop()
    await until_end(own)
    await own.disconnect()


def probe(kind: Any, **ids: str) -> str:
    """A message with valid values in all its fields, and these ids."""
    values: dict[str, Any] = {"type": get_args(kind.model_fields["type"].annotation)[0]}
    for name, field in kind.model_fields.items():
        if field.is_required() and name not in values:
            values[name] = {str: "What is it?", int: 0, uuid.UUID: str(uuid.uuid4())}[field.annotation]
    return json.dumps(values | ids)


async def said_to(communicator: WebsocketCommunicator, message: str) -> list[dict[str, Any]]:
    """All that the socket answers to the message: what comes before the answer to a nonsense sent
    after it, and the end of what it began."""
    await communicator.send_to(message)
    events = await until_end(communicator)
    await communicator.send_to("nonsense")
    while not (events[-1]["type"] == "error" and events[-1]["code"] == "bad_message"):
        events.append(json.loads(await communicator.receive_from(timeout=10)))
    return events[:-1]


async def everything(cast: Cast) -> list[Any]:
    def rows() -> list[Any]:
        chats = Conversation.objects.order_by("pk").values_list("pk", "user_id", "title")
        messages = Message.objects.order_by("pk").values_list("pk", "conversation_id", "role", "text", "status")
        return [*chats, *messages]

    return [*await in_tenant(cast.acme.pk, rows), *await in_tenant(cast.mallory_co.pk, rows)]


def test_the_sockets_and_their_messages_are_found() -> None:
    assert {kind.__name__ for _path, kind in MESSAGES} >= {"AskMessage", "StopMessage", "ResumeMessage"}
    assert {(kind.__name__, name) for _path, kind, name in PROBES} >= {
        ("AskMessage", "id"),
        ("AskMessage", "conversation"),
        ("StopMessage", "message"),
        ("ResumeMessage", "message"),
    }


@pytest.mark.threat("T1", "T4")
@pytest.mark.parametrize("path", sorted({path for path, _consumer in ROUTES}))
@pytest.mark.parametrize("name", ["mallory", ""])
async def test_no_socket_opens_to_a_stranger(cast: Cast, path: str, name: str) -> None:
    assert (await (await socket(name, "acme", path=path)).connect())[0] is False


@pytest.mark.threat("T1", "T2", "T3")
@pytest.mark.parametrize(("name", "tenant"), STRANGERS)
@pytest.mark.parametrize(("path", "kind", "field"), PROBES, ids=lambda value: getattr(value, "__name__", str(value)))
async def test_anothers_id_in_a_message_is_refused_and_changes_nothing(
    cast: Cast, alices: Alices, name: str, tenant: str, path: str, kind: Any, field: str
) -> None:
    stranger = await socket(name, tenant, path=path)
    assert (await stranger.connect())[0]
    before = await everything(cast)
    # A new question may have any id that no message has, a conversation's too.
    foreign_ids = [alices.finished, alices.running] if field == "id" else alices.ids
    for foreign in foreign_ids:
        events = await said_to(stranger, probe(kind, **{field: foreign}))
        assert [event.get("code") for event in events] == ["id_taken" if field == "id" else "not_found"]
    assert await everything(cast) == before
    assert not running.runs[alices.running].done
    await stranger.disconnect()


@pytest.mark.threat("T3")
@pytest.mark.parametrize(("name", "tenant"), STRANGERS)
async def test_a_stranger_who_says_everything_there_is_to_say_hears_nothing_of_ours(
    cast: Cast, alices: Alices, name: str, tenant: str
) -> None:
    for path in {path for path, _consumer in ROUTES}:
        stranger = await socket(name, tenant, path=path)
        await stranger.connect()
        for _path, kind in MESSAGES:
            await stranger.send_to(probe(kind))
        for _path, kind, field in PROBES:
            for foreign in alices.ids:
                await stranger.send_to(probe(kind, **{field: foreign}))
        await stranger.send_to("nonsense")
        heard = ""
        while "bad_message" not in heard:
            heard += await stranger.receive_from(timeout=20)
        assert SECRET not in heard
        await stranger.disconnect()
    assert not running.runs[alices.running].done
