"""Workers that are killed between any two steps: nothing is lost, nothing is done or paid for twice."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone
from kombu.exceptions import OperationalError

from accounts.tenancy import in_database, in_tenant
from gateway.audit import erasure
from gateway.batch import advancing, leases, outbox, settling, submitting
from gateway.models import BatchPart, BatchState, PartState
from tests.gateway.batch.conftest import Bench
from tests.gateway.batch.test_batches import money, price_of_one, records

pytestmark = pytest.mark.threat("R3")


class Killed(BaseException):
    """No handler of the product's catches it: what follows is not done."""


def dying(work: Callable[..., Any], at: int, *, before: bool) -> Callable[..., Any]:
    """`work` that dies at its call of that number, before it or right after."""
    calls = 0

    def doing(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == at and before:
            raise Killed
        done = work(*args, **kwargs)
        if calls == at:
            raise Killed
        return done

    return doing


DEATHS = [
    *((leases, "change", at, before) for at in (1, 2, 3, 4) for before in (True, False)),
    *((settling, "end", at, before) for at in (1, 2, 3) for before in (True, False)),
    *((leases, "take", at, False) for at in (1, 2)),
]


@pytest.mark.parametrize(("module", "name", "at", "before"), DEATHS, ids=lambda each: getattr(each, "__name__", each))
@pytest.mark.parametrize("api", ["responses", "anthropic"], indirect=True)
async def test_a_worker_killed_at_any_step_loses_and_doubles_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, module: Any, name: str, at: int, before: bool
) -> None:
    bench.server.polls = ["completed"]
    batch_id = await bench.submit(*(bench.call(f"question {number}") for number in range(3)))
    with monkeypatch.context() as patch:
        patch.setattr(module, name, dying(getattr(module, name), at, before=before))
        killed = 0
        for _ in range(4):
            try:
                await bench.step()
            except Killed:
                killed += 1
                await bench.die()
    for _ in range(4):
        await bench.step()
    assert killed == 1
    assert len(bench.server.jobs) == 1
    assert [each["text"] for each in await bench.results(batch_id)] == [f"About question {n}" for n in range(3)]
    assert len(await records(bench)) == 3
    assert await money(bench) == (0, 0, 3 * price_of_one(bench))
    assert (await bench.batch(batch_id)).state == BatchState.COMPLETED


@pytest.mark.parametrize("api", ["responses"], indirect=True)
async def test_a_submission_that_died_is_given_up(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submitting, "AT_ONCE", 2)
    with monkeypatch.context() as patch:
        patch.setattr(submitting, "_hold", dying(submitting._hold, 2, before=True))
        with pytest.raises(Killed):
            await bench.submit(*(bench.call(f"question {number}") for number in range(3)))
    assert (await money(bench))[0] == 2
    await in_database(advancing.sweep, timezone.now() + submitting.LEASE * 2)
    assert (await money(bench))[:2] == (0, 0)
    assert [each.error_code for each in await records(bench)] == ["abandoned"] * 3
    assert bench.server.requests == []


@pytest.mark.threat("R2")
@pytest.mark.parametrize("api", ["responses"], indirect=True)
async def test_without_a_broker_a_batch_is_taken_and_the_sweep_finds_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(*_args: Any, **_options: Any) -> None:
        raise OperationalError("no broker")

    asked: list[tuple[Any, ...]] = []
    with monkeypatch.context() as patch:
        patch.setattr(outbox.current_app, "send_task", down)
        batch_id = await bench.submit(bench.call("one"))
    assert (await bench.batch(batch_id)).state == BatchState.RUNNING
    monkeypatch.setattr(outbox.current_app, "send_task", lambda *args, **options: asked.append(args))
    await in_database(advancing.sweep, timezone.now())
    part = await in_tenant(bench.tenant_id, BatchPart.objects.get)
    assert asked == [("gateway.advance_batch", (bench.tenant_id, str(part.pk)))]


@pytest.mark.parametrize("api", ["responses"], indirect=True)
async def test_two_workers_never_hold_one_part(bench: Bench) -> None:
    await bench.submit(bench.call("one"))
    part = (await in_tenant(bench.tenant_id, lambda: list(BatchPart.objects.all())))[0]
    first = await in_tenant(bench.tenant_id, leases.take, part.pk)
    assert first is not None
    assert await in_tenant(bench.tenant_id, leases.take, part.pk) is None
    await bench.die()
    assert await in_tenant(bench.tenant_id, leases.take, part.pk) is not None
    assert not await in_tenant(bench.tenant_id, leases.change, first, state=PartState.ENDED)
    assert await in_tenant(bench.tenant_id, leases.take, uuid.uuid4()) is None


@pytest.mark.threat("A4")
@pytest.mark.parametrize("api", ["responses", "anthropic"], indirect=True)
@pytest.mark.parametrize("submitted", [False, True])
async def test_an_erased_person_gets_no_result_and_leaves_no_text(bench: Bench, submitted: bool) -> None:
    bench.server.polls = ["completed"]
    batch_id = await bench.submit(bench.call("my secret"))
    if submitted:
        await bench.step()
    await in_tenant(bench.tenant_id, lambda: erasure.erase(bench.tenant_id, bench.user_id, by=None))
    await bench.step()
    await bench.step()
    [found] = await bench.results(batch_id)
    assert (found["state"], found["error_code"]) == ("failed", "erased")
    assert await money(bench) == (0, 0, price_of_one(bench) if submitted else 0)
    [record] = [each for each in await records(bench) if each.kind == "completion"]
    assert record.subject_id not in {None, bench.user_id}
    assert len(bench.server.jobs) == int(submitted)


@pytest.mark.threat("A4")
@pytest.mark.parametrize("api", ["responses", "anthropic"], indirect=True)
async def test_an_erasure_between_a_lost_submission_and_its_finding_doubles_nothing(bench: Bench) -> None:
    bench.server.forgets, bench.server.polls = True, ["completed"]
    batch_id = await bench.submit(bench.call("my secret"), bench.call("another"))
    await bench.step()
    await in_tenant(bench.tenant_id, lambda: erasure.erase(bench.tenant_id, bench.user_id, by=None))
    for _ in range(3):
        await bench.step()
    assert len(bench.server.jobs) == 1
    assert {each["error_code"] for each in await bench.results(batch_id)} == {"erased"}
    assert await money(bench) == (0, 0, 2 * price_of_one(bench))
