"""Items whose model has no batch API: ordinary calls, one after the other, behind those of people."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from accounts.tenancy import in_database, in_tenant
from gateway.batch import advancing, calling, outbox, progress
from gateway.batch.submitting import submit_batch
from gateway.models import AuditRecord, Batch, BatchItem, Reservation
from gateway.types import Call, Caller, Message, Options, Task
from tests.conftest import Cast
from tests.contracts.cases import COMPATIBLE
from tests.gateway.batch.conftest import Bench
from tests.gateway.wired import wired
from tests.servers.batch_servers import BatchServer
from tests.servers.openai_server import chat
from tests.servers.wire import Request, Script, failure

Patch = pytest.MonkeyPatch


@pytest.fixture
def plain(cast: Cast, monkeypatch: Patch) -> Bench:
    monkeypatch.setattr(outbox.current_app, "send_task", lambda *args, **options: None)
    return Bench(cast.acme.pk, cast.alice.pk, BatchServer(), "compatible-0")


def echo(request: Request) -> Script:
    if "bad" in request.asked:
        return failure(400, {"error": {"message": "no", "type": "invalid_request_error", "code": None}})
    return Script(chat([f"About {request.asked}"]))


async def test_items_are_called_in_order_and_fail_by_themselves(plain: Bench, monkeypatch: Patch) -> None:
    async with wired(monkeypatch, (COMPATIBLE, echo)) as servers:
        batch_id = await plain.submit(*map(plain.call, ("one", "bad", "three")))
        assert await plain.step() == ["ended"]
    assert [request.asked for request in servers[0].requests] == ["one", "bad", "three"]
    found = await plain.results(batch_id)
    assert [(each["state"], each["error_code"]) for each in found] == [
        ("succeeded", ""),
        ("failed", "invalid_request"),
        ("succeeded", ""),
    ]
    assert found[0]["text"] == "About one"
    assert (await plain.batch(batch_id)).state == "completed"


@pytest.mark.threat("R3")
async def test_an_item_whose_caller_was_killed_is_called_anew(plain: Bench, monkeypatch: Patch) -> None:
    class Killed(BaseException):
        pass

    def dies(*_args: Any) -> None:
        raise Killed

    async with wired(monkeypatch, (COMPATIBLE, echo)):
        calls = [plain.call("one"), plain.call("two")]
        batch_id = await plain.submit(*calls)
        with monkeypatch.context() as patch:
            patch.setattr(calling, "_write", dies)
            with pytest.raises(Killed):
                await plain.step()
        item = await in_tenant(plain.tenant_id, lambda: BatchItem.objects.get(pk=calls[0].id))
        assert (item.state, item.call) == ("calling", calls[0].id)
        await plain.die()
        assert await plain.step() == ["ended"]
    assert [each["text"] for each in await plain.results(batch_id)] == ["About one", "About two"]

    def books() -> tuple[set[Any], set[Any]]:
        records, items = (
            AuditRecord.objects.values_list("pk", flat=True),
            BatchItem.objects.values_list("call", flat=True),
        )
        return set(records), set(items)

    records, called = await in_tenant(plain.tenant_id, books)
    assert records == called  # the first call's transaction came to nothing, its reservation is swept
    assert await in_tenant(plain.tenant_id, Reservation.objects.count) <= 1


async def test_cancelling_stops_before_the_next_call(plain: Bench, monkeypatch: Patch) -> None:
    async with wired(monkeypatch, (COMPATIBLE, echo)) as servers:
        batch_id = await plain.submit(plain.call("one"), plain.call("two"))
        assert await in_tenant(plain.tenant_id, lambda: progress.cancel(Batch.objects.get()))
        assert await plain.step() == ["ended"]
    assert servers[0].requests == []
    assert {each["state"] for each in await plain.results(batch_id)} == {"cancelled"}


async def test_only_purposes_that_nobody_waits_for_are_taken(cast: Cast) -> None:
    call = Call(Caller(cast.acme.pk, purpose="answer"), (Message("user", "Hello"),), Options(task=Task.EXTRACT))
    with pytest.raises(ValueError, match="answer"):
        await in_database(submit_batch, [call])


async def test_batches_that_ended_long_ago_are_let_go(plain: Bench, monkeypatch: Patch) -> None:
    async with wired(monkeypatch, (COMPATIBLE, echo)):
        await plain.submit(plain.call("one"))
        await plain.step()
    assert await in_database(advancing.expire_all, timezone.now()) == 0
    await in_database(advancing.expire_all, timezone.now() + advancing.KEPT * 2)
    assert await in_tenant(plain.tenant_id, Batch.objects.count) == 0
