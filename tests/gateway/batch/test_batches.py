"""A batch from submission to its results, at the wire: nothing lost, nothing doubled, everything on the record."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from accounts.tenancy import in_database, in_tenant
from gateway.abilities import OutputSchema
from gateway.audit.verify import verify
from gateway.batch import preparing, progress, submitting
from gateway.errors import BudgetExceeded
from gateway.models import (
    AuditRecord,
    Batch,
    BatchItem,
    BatchPart,
    Budget,
    BudgetUse,
    PartState,
    RedactionPolicy,
    Reservation,
)
from gateway.profiles import BatchTerms, at_batch_price, completion_profile
from gateway.redaction import policy
from gateway.routing import policies
from gateway.routing.policy import Policy
from gateway.types import Usage
from tests.gateway.batch.conftest import Bench
from tests.servers.batch_servers import LEFT_OUT, UNREACHED, USAGE, OpenAIBatchServer, fails, says
from tests.servers.wire import failure

MAIL = "bob.ross@paint.example.org"


async def money(bench: Bench) -> tuple[int, Decimal, Decimal]:
    """Reservations, what is reserved, what is settled."""

    def read() -> tuple[int, Decimal, Decimal]:
        use = BudgetUse.objects.filter(budget__purpose="").first()
        found = (use.reserved, use.settled) if use else (Decimal(0), Decimal(0))
        return (Reservation.objects.count(), *found)

    return await in_tenant(bench.tenant_id, read)


async def records(bench: Bench) -> list[AuditRecord]:
    return await in_tenant(bench.tenant_id, lambda: list(AuditRecord.objects.order_by("sequence")))


def price_of_one(bench: Bench) -> Decimal:
    price = at_batch_price(completion_profile(bench.model)).price
    assert price is not None
    return price.cost(Usage(*USAGE))


async def test_results_come_back_by_their_ids_at_half_the_price(bench: Bench) -> None:
    bench.server.polls = ["in_progress", "completed"]
    calls = [bench.call(f"question {number}") for number in range(5)]
    batch_id = await bench.submit(*calls)
    held, reserved, _settled = await money(bench)
    assert held == 5
    assert reserved > 0
    assert [await bench.step(), await bench.step(), await bench.step()] == [["processing"], ["processing"], ["ended"]]
    found = await bench.results(batch_id)
    assert [each["id"] for each in found] == [str(call.id) for call in calls]
    assert [each["text"] for each in found] == [f"About question {number}" for number in range(5)]
    assert {each["finish_reason"] for each in found} == {"stop"}
    assert await money(bench) == (0, 0, 5 * price_of_one(bench))
    standard = completion_profile(bench.model).price
    assert standard is not None
    assert price_of_one(bench) * 2 == standard.cost(Usage(*USAGE))
    assert (await bench.batch(batch_id)).state == "completed"


async def test_every_item_has_a_record_of_its_own_in_the_chain(bench: Bench) -> None:
    bench.server.polls = ["completed"]
    calls = [bench.call(f"question {number}") for number in range(3)]
    await bench.submit(*calls)
    await bench.step()
    await bench.step()
    written = await records(bench)
    assert {each.pk for each in written} == {call.id for call in calls}
    assert {(each.purpose, each.model, each.finish_reason) for each in written} == {("batch", bench.model, "stop")}
    assert {each.cost for each in written} == {price_of_one(bench)}
    assert await in_database(lambda: verify(bench.tenant_id).ok)


@pytest.mark.threat("R3")
async def test_a_second_look_changes_nothing(bench: Bench) -> None:
    bench.server.polls = ["completed"]
    batch_id = await bench.submit(bench.call("once"))
    await bench.step()
    await bench.step()
    before = await money(bench), await bench.results(batch_id), len(await records(bench))
    await bench.change_parts(state=PartState.PROCESSING)
    await in_tenant(bench.tenant_id, lambda: Batch.objects.update(state="running"))
    await bench.step()
    assert (await money(bench), await bench.results(batch_id), len(await records(bench))) == before


@pytest.mark.threat("B1")
async def test_a_batch_that_the_budget_does_not_hold_is_refused_as_a_whole(bench: Bench) -> None:
    await in_tenant(bench.tenant_id, lambda: Budget.objects.create(tenant_id=bench.tenant_id, limit=Decimal("0.00002")))
    with pytest.raises(BudgetExceeded):
        await bench.submit(*(bench.call(f"question {number}") for number in range(5)))
    assert (await money(bench))[:2] == (0, 0)
    assert [each.error_code for each in await records(bench)] == ["budget_exceeded"] * 5
    assert await bench.step() == ["skipped"]
    assert bench.server.requests == []


async def test_each_item_fails_with_its_own_code_and_costs_nothing(bench: Bench) -> None:
    outcomes = {
        "good": says("yes"),
        "bad": fails("invalid_request_error"),
        "late": UNREACHED,
    }
    bench.server.outcome = lambda _id, asked: outcomes[asked]
    bench.server.polls = ["expired"]
    batch_id = await bench.submit(*map(bench.call, outcomes))
    await bench.step()
    await bench.step()
    found = await bench.results(batch_id)
    assert [(each["state"], each["error_code"]) for each in found] == [
        ("succeeded", ""),
        ("failed", "invalid_request"),
        ("expired", "batch_expired"),
    ]
    assert await money(bench) == (0, 0, price_of_one(bench))
    assert sorted(each.error_code for each in await records(bench)) == ["", "batch_expired", "invalid_request"]


@pytest.mark.threat("V4")
async def test_a_file_of_results_that_is_cut_is_read_again(bench: Bench) -> None:
    bench.server.polls, bench.server.cut = ["completed"], 700
    batch_id = await bench.submit(*(bench.call(f"question {number}") for number in range(6)))
    await bench.step()
    assert await bench.step() == ["processing"]
    part = await in_tenant(bench.tenant_id, BatchPart.objects.get)
    assert (part.troubles, part.last_error) == (1, "stream_broken")
    assert await bench.step() == ["ended"]
    assert [each["state"] for each in await bench.results(batch_id)] == ["succeeded"] * 6
    assert await money(bench) == (0, 0, 6 * price_of_one(bench))
    assert len(await records(bench)) == 6


async def test_a_file_that_ends_between_two_lines_is_not_believed(bench: Bench) -> None:
    bench.server.outcome = lambda _id, asked: says(asked)
    bench.server.polls = ["completed"]
    batch_id = await bench.submit(bench.call("first"), bench.call("second"))
    await bench.step()
    whole = bench.server.results
    bench.server.results = lambda lines: whole(lines[:1])  # type: ignore[method-assign]
    assert await bench.step() == ["processing"]
    bench.server.results = whole  # type: ignore[method-assign]
    assert await bench.step() == ["ended"]
    assert [each["text"] for each in await bench.results(batch_id)] == ["first", "second"]


@pytest.mark.threat("V1")
async def test_a_provider_that_cannot_be_asked_is_asked_later(bench: Bench) -> None:
    trouble = [failure(429, {"error": {"message": "slow", "type": "rate_limit_error"}}, Retry_After="120")]
    trouble.append(failure(503, {"error": {"message": "down", "type": "server_error"}}))
    bench.server.polls = [*trouble, "completed"]
    batch_id = await bench.submit(bench.call("patience"))
    await bench.step()
    await bench.step()
    part = await in_tenant(bench.tenant_id, BatchPart.objects.get)
    assert (part.state, part.troubles, part.last_error) == ("processing", 1, "rate_limited")
    assert part.due_at > timezone.now() + timedelta(seconds=100)
    assert await bench.step(later=False) == ["skipped"]
    assert [await bench.step(), await bench.step()] == [["processing"], ["ended"]]
    assert (await bench.results(batch_id))[0]["text"] == "About patience"


@pytest.mark.threat("R3")
async def test_a_submission_whose_answer_was_lost_is_found_and_not_made_again(bench: Bench) -> None:
    bench.server.forgets = True
    bench.server.polls = ["in_progress", "completed"]
    batch_id = await bench.submit(bench.call("only once"))
    assert await bench.step() == ["submitting"]
    for _ in range(3):
        await bench.step()
    assert len(bench.server.jobs) == 1
    assert (await bench.results(batch_id))[0]["text"] == "About only once"
    assert await money(bench) == (0, 0, price_of_one(bench))


async def test_a_submission_that_never_arrived_is_made_again(bench: Bench) -> None:
    bench.server.on["POST", "/v1/batches" if bench.model.startswith("gpt") else "/v1/messages/batches"] = failure(
        500, ""
    )
    bench.server.polls = ["completed"]
    await bench.submit(bench.call("again"))
    assert await bench.step() == ["submitting"]
    assert [(await bench.step())[0] for _ in range(3)] == ["waiting", "processing", "ended"]
    assert len(bench.server.jobs) == 1


async def test_one_that_is_made_again_is_looked_through_again(bench: Bench) -> None:
    path = "/v1/batches" if bench.model.startswith("gpt") else "/v1/messages/batches"
    bench.server.on["POST", path] = failure(500, "")
    bench.server.polls = ["completed"]
    batch_id = await bench.submit(bench.call("again"))
    await bench.step()
    edit = policies.Edit(Policy(providers=frozenset({"mistral"})), "tests", based_on=0)
    await in_tenant(bench.tenant_id, policies.save, bench.tenant_id, edit)
    await bench.step()
    await bench.step()
    assert bench.server.jobs == []
    assert (await bench.results(batch_id))[0]["error_code"] == "provider_not_allowed"


async def test_a_batch_that_the_provider_refuses_gives_its_money_back(bench: Bench) -> None:
    path = "/v1/batches" if bench.model.startswith("gpt") else "/v1/messages/batches"
    bench.server.on["POST", path] = failure(401, {"error": {"message": "bad key", "type": "authentication_error"}})
    batch_id = await bench.submit(bench.call("one"), bench.call("two"))
    assert await bench.step() == ["ended"]
    assert {each["error_code"] for each in await bench.results(batch_id)} == {"invalid_credentials"}
    assert await money(bench) == (0, 0, 0)


async def test_cancelling_keeps_what_was_done_and_releases_the_rest(bench: Bench) -> None:
    bench.server.outcome = lambda _id, asked: says("done") if asked == "first" else LEFT_OUT
    bench.server.polls = ["in_progress"]
    batch_id = await bench.submit(bench.call("first"), bench.call("second"))
    await bench.step()
    batch = await bench.batch(batch_id)
    assert await in_tenant(bench.tenant_id, progress.cancel, batch)
    assert not await in_tenant(bench.tenant_id, progress.cancel, batch)
    await bench.step(later=False)
    assert bench.server.jobs[0].cancelled
    if bench.model.startswith("claude"):  # its file has a line for every request
        bench.server.outcome = lambda _id, asked: says("done") if asked == "first" else UNREACHED
    bench.server.polls = ["cancelled"]
    await bench.step()
    states = [each["state"] for each in await bench.results(batch_id)]
    assert states in (["succeeded", "cancelled"], ["succeeded", "expired"])
    assert await money(bench) == (0, 0, price_of_one(bench))
    assert (await bench.batch(batch_id)).state == "cancelled"


async def test_no_value_is_uploaded_and_the_results_have_them(bench: Bench) -> None:
    await in_tenant(bench.tenant_id, lambda: RedactionPolicy.objects.create(tenant_id=bench.tenant_id, cleared=[]))
    policy.forget(bench.tenant_id)
    bench.server.outcome = lambda _id, asked: says(f"Writing to {asked}")
    bench.server.polls = ["completed"]
    batch_id = await bench.submit(bench.call(f"My mail is {MAIL}"))
    await bench.step()
    await bench.step()
    sent = b"".join(request.raw for request in bench.server.requests)
    assert MAIL.encode() not in sent
    assert b"EMAIL_" in sent
    assert (await bench.results(batch_id))[0]["text"] == f"Writing to My mail is {MAIL}"
    [record] = await records(bench)
    assert record.redaction == {"EMAIL": 1}
    kept = await in_tenant(bench.tenant_id, lambda: AuditRecord.objects.select_related("content").get().content.data)
    assert MAIL not in json.dumps(kept)


async def test_a_provider_that_the_policy_forbids_meanwhile_gets_nothing(bench: Bench) -> None:
    batch_id = await bench.submit(bench.call("secret"))
    edit = policies.Edit(Policy(providers=frozenset({"mistral"})), "tests", based_on=0)
    await in_tenant(bench.tenant_id, policies.save, bench.tenant_id, edit)
    assert await bench.step() == ["ended"]
    assert bench.server.requests == []
    assert (await bench.results(batch_id))[0]["error_code"] == "provider_not_allowed"
    assert await money(bench) == (0, 0, 0)


async def test_what_the_policy_forbids_at_once_fails_by_itself(bench: Bench) -> None:
    edit = policies.Edit(Policy(providers=frozenset({"mistral"})), "tests", based_on=0)
    await in_tenant(bench.tenant_id, policies.save, bench.tenant_id, edit)
    batch_id = await bench.submit(bench.call("secret"))
    assert (await bench.results(batch_id))[0]["error_code"] == "provider_not_allowed"
    assert (await bench.batch(batch_id)).state == "completed"
    assert [each.error_code for each in await records(bench)][1:] == ["provider_not_allowed"]  # after the policy's


async def test_what_the_provider_holds_is_deleted_when_it_was_read(bench: Bench) -> None:
    bench.server.polls = ["completed"]
    await bench.submit(bench.call("tidy"))
    await bench.step()
    await bench.step()
    expected = ["file-1", "output-1"] if bench.model.startswith("gpt") else ["msgbatch_1"]
    assert bench.server.deleted == expected


async def test_rows_keep_no_text_in_clear(bench: Bench) -> None:
    await bench.submit(bench.call(f"My mail is {MAIL}"))

    def read() -> str:
        items = [bytes(item.request) for item in BatchItem.objects.all()]
        return repr(items) + repr(list(Reservation.objects.values_list("request", flat=True)))

    kept = await in_tenant(bench.tenant_id, read)
    assert "My mail" not in kept
    assert MAIL not in kept


@pytest.mark.parametrize("api", ["responses"], indirect=True)
async def test_a_file_that_the_provider_objects_to_fails_all_its_items(bench: Bench) -> None:
    bench.server.polls = ["failed"]
    batch_id = await bench.submit(bench.call("one"), bench.call("two"))
    await bench.step()
    assert await bench.step() == ["ended"]
    assert {each["error_code"] for each in await bench.results(batch_id)} == {"invalid_request"}
    assert await money(bench) == (0, 0, 0)


@pytest.mark.parametrize("api", ["chat"], indirect=True)
async def test_a_queue_that_is_full_is_waited_for(bench: Bench) -> None:
    assert isinstance(bench.server, OpenAIBatchServer)
    bench.server.objection = "token_limit_exceeded"
    bench.server.polls = ["failed", "completed"]
    batch_id = await bench.submit(bench.call("one"))
    await bench.step()
    assert await bench.step() == ["waiting"]
    part = await in_tenant(bench.tenant_id, BatchPart.objects.get)
    assert (part.troubles, part.last_error) == (1, "rate_limited")
    assert part.due_at > timezone.now()
    assert [await bench.step(), await bench.step()] == [["processing"], ["ended"]]
    assert (await bench.results(batch_id))[0]["text"] == "About one"
    assert await money(bench) == (0, 0, price_of_one(bench))


@pytest.mark.parametrize("api", ["responses", "anthropic"], indirect=True)
async def test_a_batch_too_large_for_one_upload_is_split(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def small(provider: str) -> BatchTerms:
        return BatchTerms(provider, Decimal("0.5"), requests=2, bytes=10_000)

    monkeypatch.setattr(preparing, "batch_terms", small)
    monkeypatch.setattr(submitting, "batch_terms", small)
    calls = [bench.call(f"question {number}") for number in range(5)]
    too_long = bench.call("x" * 10_000)
    batch_id = await bench.submit(*calls, too_long)
    assert await bench.step() == ["processing"] * 3
    assert sorted(len(job.lines) for job in bench.server.jobs) == [1, 2, 2]
    uploaded = [line["custom_id"] for job in bench.server.jobs for line in job.lines]
    assert sorted(uploaded) == sorted(str(call.id) for call in calls)
    assert (await bench.results(batch_id))[5]["error_code"] == "context_too_long"


@pytest.mark.parametrize("api", ["responses"], indirect=True)
async def test_an_answer_that_breaks_its_schema_fails_and_is_paid_for(bench: Bench) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    bench.server.outcome = lambda _id, asked: says('{"n": 1}' if asked == "good" else '{"n": "one"}')
    bench.server.polls = ["completed"]
    calls = [bench.call(text, output=OutputSchema("number", schema)) for text in ("good", "bad")]
    batch_id = await bench.submit(*calls)
    await bench.step()
    await bench.step()
    found = await bench.results(batch_id)
    assert [(each["state"], each["error_code"]) for each in found] == [("succeeded", ""), ("failed", "invalid_output")]
    assert found[0]["text"] == '{"n": 1}'
    assert await money(bench) == (0, 0, 2 * price_of_one(bench))
