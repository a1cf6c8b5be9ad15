"""Handing files in: the page without script, what a script gets, and the socket that tells how far they are."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from accounts.models import Membership, Role
from accounts.tenancy import in_database, in_tenant, tenant_scope
from knowledge import consumers, uploads
from knowledge.models import Document, Visibility
from knowledge.tasks import index_document
from tests.conftest import Cast
from tests.sockets import socket

PAGE = "/t/acme/knowledge/upload/"
LAMPS = b"# Returns\n\nLamps are returned within 30 days.\n"


@pytest.fixture(autouse=True)
def queued(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    ids: list[str] = []
    monkeypatch.setattr(uploads, "_enqueue", lambda tenant_id, document_id: ids.append(document_id))
    return ids


@pytest.fixture
def client_of(cast: Cast) -> Callable[[str], Client]:
    def client_of(name: str) -> Client:
        client = Client()
        client.force_login(getattr(cast, name), backend="allauth.account.auth_backends.AuthenticationBackend")
        return client

    return client_of


def files(*named: tuple[str, bytes]) -> dict[str, Any]:
    return {"files": [SimpleUploadedFile(name, data) for name, data in named], "visibility": "signed_in"}


def test_many_files_are_handed_in_at_once_without_script(
    cast: Cast, client_of: Callable[[str], Client], queued: list[str]
) -> None:
    adam = client_of("adam")
    page = adam.get(PAGE).content.decode()
    assert "Nothing yet." in page
    given = files(
        ("returns.md", LAMPS), ("scan.png", b"\x89PNG\r\n\x1a\n"), ("empty.txt", b" \n"), ("more.txt", b"Lamps.")
    )
    page = adam.post(PAGE, given, follow=True).content.decode()
    assert "2 files were taken and are being read." in page
    assert "Save it as PDF" in page, "what to do stands beside what was refused"
    assert "unsupported_format" in page
    assert "empty_document" in page
    assert page.count(">Waiting<") == 2
    with tenant_scope(cast.acme.pk):
        rows = Document.objects.order_by("external_id")
        assert [(row.external_id, row.visibility) for row in rows] == [
            ("more.txt", "signed_in"),
            ("returns.md", "signed_in"),
        ]
    assert len(queued) == 2


def test_each_file_says_how_far_it_is_and_what_to_do(cast: Cast, client_of: Callable[[str], Client]) -> None:
    adam = client_of("adam")
    adam.post(PAGE, files(("returns.md", LAMPS), ("cut.pdf", b"%PDF-1.7\n1 0 obj")))
    with tenant_scope(cast.acme.pk):
        ids = {row.external_id: str(row.pk) for row in Document.objects.all()}
    assert index_document(cast.acme.pk, ids["returns.md"]) == "indexed"
    assert index_document(cast.acme.pk, ids["cut.pdf"]) == "failed"
    page = adam.get(PAGE).content.decode()
    assert "Searchable" in page
    assert "Not taken in" in page
    assert "conversion_failed" in page
    assert "save it anew" in page


def test_the_same_file_again_is_no_new_document_and_a_changed_one_its_new_version(
    cast: Cast, client_of: Callable[[str], Client], queued: list[str]
) -> None:
    adam = client_of("adam")
    adam.post(PAGE, files(("returns.md", LAMPS)))
    assert index_document(cast.acme.pk, queued[0]) == "indexed"
    adam.post(PAGE, files(("returns.md", LAMPS)))
    assert len(queued) == 1
    adam.post(PAGE, files(("returns.md", LAMPS.replace(b"30", b"14"))))
    assert index_document(cast.acme.pk, queued[1]) == "indexed"
    with tenant_scope(cast.acme.pk):
        assert Document.objects.get().versions.count() == 2


def test_a_script_gets_what_became_of_each(cast: Cast, client_of: Callable[[str], Client]) -> None:
    adam = client_of("adam")
    answer = adam.post(PAGE, files(("a.md", LAMPS)), headers={"Accept": "application/json"})
    (file,) = answer.json()["files"]
    assert (file["name"], file["state"], file["finished"]) == ("a.md", "pending", False)
    assert adam.post(PAGE, {}, headers={"Accept": "application/json"}).status_code == 422
    refused = adam.post(PAGE, files(("a.md", b"")), headers={"Accept": "application/json"}).json()["files"][0]
    assert (refused["state"], refused["code"], refused["document"]) == ("failed", "empty_document", "")


def test_a_file_that_is_too_large_is_refused(cast: Cast, client_of: Callable[[str], Client], monkeypatch: Any) -> None:
    monkeypatch.setattr(uploads, "MAX_BYTES", 10)
    page = client_of("adam").post(PAGE, files(("a.md", LAMPS)), follow=True).content.decode()
    assert "document_too_large" in page


@pytest.mark.threat("F4")
@pytest.mark.parametrize("name", ["../../etc/passwd", "C:\\Users\\x\\passwd", "pass\x00wd\n", "passwd\u202e"])
def test_a_name_is_mere_text_without_folders(cast: Cast, name: str) -> None:
    with tenant_scope(cast.acme.pk):
        taken = uploads.hand_in(cast.acme.pk, name, LAMPS, visibility=Visibility.PUBLIC)
    assert taken.name == "passwd"


def test_a_visibility_that_is_none_lets_only_staff_read(cast: Cast, client_of: Callable[[str], Client]) -> None:
    client_of("adam").post(PAGE, {**files(("a.md", LAMPS)), "visibility": "all"})
    with tenant_scope(cast.acme.pk):
        assert Document.objects.get().visibility == "internal"


@pytest.mark.threat("O3")
def test_a_name_never_becomes_markup(cast: Cast, client_of: Callable[[str], Client]) -> None:
    adam = client_of("adam")
    adam.post(PAGE, files(("<img src=x onerror=alert(1)>.md", LAMPS)))
    page = adam.get(PAGE).content.decode()
    assert "<img" not in page
    assert "&lt;img" in page


def test_customers_and_strangers_find_no_page(cast: Cast, client_of: Callable[[str], Client]) -> None:
    for name in ("alice", "mallory"):
        assert client_of(name).get(PAGE).status_code == 404
        assert client_of(name).post(PAGE, files(("a.md", LAMPS))).status_code == 404
    with tenant_scope(cast.acme.pk):
        assert Document.objects.count() == 0


# ---- the socket


async def handed_in(cast: Cast, name: str = "a.md") -> str:
    def hand_in() -> str:
        return uploads.hand_in(cast.acme.pk, name, LAMPS, visibility=Visibility.PUBLIC).document

    return await in_tenant(cast.acme.pk, hand_in)


async def opened(name: str) -> Any:
    return await socket(name, path="ws/t/{tenant}/knowledge/")


async def test_every_change_is_told_until_the_end(cast: Cast) -> None:
    document = await handed_in(cast)
    adam = await opened("adam")
    assert (await adam.connect())[0]
    await adam.send_to(json.dumps({"type": "watch", "document": document}))
    states = [json.loads(await adam.receive_from(timeout=10))]
    await in_database(index_document, cast.acme.pk, document)
    while not states[-1]["finished"]:
        states.append(json.loads(await adam.receive_from(timeout=20)))
    assert (states[0]["state"], states[-1]["state"], states[-1]["label"]) == ("pending", "indexed", "Searchable")
    assert [state["n"] for state in states] == list(range(1, len(states) + 1))
    await adam.disconnect()


@pytest.mark.threat("T3")
async def test_a_document_of_another_tenant_is_not_there(cast: Cast) -> None:
    document = await handed_in(cast)
    mallory = await socket("mallory", "mallory", path="ws/t/{tenant}/knowledge/")
    assert (await mallory.connect())[0]
    for unknown in (document, str(uuid.uuid4())):
        await mallory.send_to(json.dumps({"type": "watch", "document": unknown}))
        assert json.loads(await mallory.receive_from(timeout=10))["code"] == "not_found"
    await mallory.disconnect()


async def test_the_socket_is_for_staff(cast: Cast) -> None:
    assert not (await (await opened("alice")).connect())[0]
    foreign = await socket("adam", origin="https://evil.example", path="ws/t/{tenant}/knowledge/")
    assert not (await foreign.connect())[0]


@pytest.mark.threat("T5")
async def test_an_agent_who_is_none_any_more_is_put_out(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("accounts.sockets.MEMBER_CHECK_SECONDS", 0.1)
    adam = await opened("adam")
    assert (await adam.connect())[0]

    def demote() -> None:
        Membership.objects.filter(user=cast.adam).update(role=Role.CUSTOMER)

    await in_tenant(cast.acme.pk, demote)
    assert (await adam.receive_output(timeout=5))["code"] == 4401


@pytest.mark.threat("R4")
async def test_a_page_that_does_not_acknowledge_is_dropped(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumers, "UNACKNOWLEDGED", 3)
    adam = await opened("adam")
    assert (await adam.connect())[0]
    for acknowledged in (True, False):
        for _ in range(3):
            await adam.send_to("nonsense")
            assert json.loads(await adam.receive_from(timeout=5))["code"] == "bad_message"
        if acknowledged:
            await adam.send_to(json.dumps({"type": "ack", "n": 3}))
    await adam.send_to("nonsense")
    assert (await adam.receive_output(timeout=5))["code"] == 4408


async def test_what_is_no_message_is_refused(cast: Cast) -> None:
    adam = await opened("adam")
    assert (await adam.connect())[0]
    await adam.send_to("x" * 2000)
    assert (await adam.receive_output(timeout=5))["code"] == 4413
