"""The one entrance: every call is paid for from a budget and leaves a record, whatever happens."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncGenerator, Callable
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.tenancy import in_database, in_tenant, tenant_scope
from gateway import client, connections, profiles
from gateway.audit.verify import verify
from gateway.degraded import LAST_RESORTS
from gateway.errors import (
    BudgetExceeded,
    ConnectionFailed,
    GatewayError,
    InvalidCredentials,
    NoCandidate,
    RateLimited,
    StreamBroken,
    UnknownModel,
    UnpricedModel,
)
from gateway.models import AuditRecord, Budget, BudgetUse, Reservation
from gateway.profiles import EmbeddingProfile, ModelProfile, Price
from gateway.types import (
    Call,
    Caller,
    EmbeddingCall,
    Finished,
    FinishReason,
    Message,
    Options,
    Retracted,
    StreamEvent,
    Task,
    TextDelta,
    Trace,
    Usage,
    UsageReport,
    Verdict,
)
from tests.conftest import Cast

PRICE = Price(input=Decimal(1000), output=Decimal(2000), cached_input=Decimal(100))
PAID = ModelProfile("paid", "scripted", "paid-1", context=10_000, max_output=1_000, price=PRICE)
SPARE = dataclasses.replace(PAID, id="spare", model="spare-1")
FREE = dataclasses.replace(PAID, id="free", price=Price(Decimal(0), Decimal(0), Decimal(0)), generates=False)
UNPRICED = dataclasses.replace(PAID, id="unpriced", price=None)
VECTORS = EmbeddingProfile("vectors", "scripted", "vectors-1", dimensions=2, max_tokens=256, price=PRICE)
DONE = (UsageReport(Usage(input_tokens=10, output_tokens=2)), Finished(FinishReason.STOP, "paid-1-2026"))

Step = StreamEvent | GatewayError | None


class Scripted:
    """A provider that plays its script: events are yielded, errors raised, None waits for ever."""

    name = "scripted"

    def __init__(self, profile: ModelProfile, *scripts: tuple[Step, ...]) -> None:
        self.profile, self._scripts = profile, list(scripts)
        self.calls = self.closed = 0

    async def stream(self, call: Call, trace: Trace) -> AsyncGenerator[StreamEvent, None]:
        script = self._scripts[min(self.calls, len(self._scripts) - 1)]
        self.calls += 1
        try:
            for step in script:
                if step is None:
                    await asyncio.Event().wait()
                elif isinstance(step, GatewayError):
                    raise step
                else:
                    yield step
        finally:
            self.closed += 1

    async def aclose(self) -> None:
        return None


class ScriptedVectors:
    name = "scripted"
    profile = VECTORS

    async def embed(self, call: EmbeddingCall) -> tuple[list[list[float]], Usage]:
        if "broken" in call.texts:
            raise ConnectionFailed("nothing there")
        return [[1.0, 0.0] for _ in call.texts], Usage(input_tokens=len(call.texts))


Play = Callable[..., None]


@pytest.fixture
def play(live_db: Any, monkeypatch: pytest.MonkeyPatch) -> Play:
    """Makes these providers the configured ones, in this order."""

    def configure(*providers: Scripted) -> None:
        by_id = {provider.profile.id: provider for provider in providers}
        known = {name: profiles.completion_profile(name) for name in LAST_RESORTS}
        known.update({name: provider.profile for name, provider in by_id.items()})
        real = connections.provider
        monkeypatch.setattr(connections, "provider", lambda profile, *key: by_id.get(profile.id) or real(profile, *key))
        monkeypatch.setattr(connections, "embedding_provider", lambda _profile, _key: ScriptedVectors())
        monkeypatch.setattr(profiles, "completion_profiles", lambda: known)
        monkeypatch.setattr(profiles, "embedding_profiles", lambda: {"vectors": VECTORS})
        from django.conf import settings

        conf = dataclasses.replace(settings.GATEWAY, answer_models=tuple(by_id), embedding_model="vectors")
        monkeypatch.setattr(settings, "GATEWAY", conf)

    return configure


@pytest.fixture
def caller(cast: Cast) -> Caller:
    return Caller(tenant_id=cast.acme.pk, user_id=cast.alice.pk, user_label="Alice", conversation_id="c-1")


def ask(caller: Caller, **options: Any) -> Call:
    return Call(caller, (Message("user", "How?"),), Options(max_tokens=100, **options), question="How?")


async def records(caller: Caller) -> list[AuditRecord]:
    def read() -> list[AuditRecord]:
        return list(AuditRecord.objects.select_related("content", "subject").order_by("sequence"))

    return await in_tenant(caller.tenant_id, read)


async def books(caller: Caller) -> tuple[Decimal, Decimal, int]:
    """Reserved, settled, and how many reservations are open."""

    def read() -> tuple[Decimal, Decimal, int]:
        use = BudgetUse.objects.first()
        return (use.reserved, use.settled, Reservation.objects.count()) if use else (Decimal(0), Decimal(0), 0)

    return await in_tenant(caller.tenant_id, read)


async def test_a_streamed_answer_is_paid_judged_and_recorded(caller: Caller, play: Play) -> None:
    play(Scripted(PAID, (TextDelta("Press "), TextDelta("reset."), *DONE)))
    seen = []
    async with client.stream(ask(caller)) as stream:
        async for event in stream:
            seen.append(event)
        stream.judge(Verdict("supported", {"sentences": 1}))

    (record,) = await records(caller)
    assert [event.text for event in seen if isinstance(event, TextDelta)] == ["Press ", "reset."]
    assert (record.verdict, record.model, record.model_version) == ("supported", "paid", "paid-1-2026")
    assert (record.finish_reason, record.error_code, record.conversation_id) == ("stop", "", "c-1")
    assert record.content.data["answer"] == "Press reset."
    assert record.cost == stream.trace.cost == Decimal("0.014")
    assert stream.trace.audit_id == str(record.pk)
    assert {"queue_ms", "first_token_ms", "total_ms", "checked_ms"} <= set(record.timings)
    assert await books(caller) == (Decimal(0), Decimal("0.014"), 0)


async def test_complete_returns_the_whole(caller: Caller, play: Play) -> None:
    play(Scripted(PAID, (TextDelta("Press "), TextDelta("reset."), *DONE)))
    completion = await client.complete(ask(caller))
    assert (completion.text, completion.reason) == ("Press reset.", FinishReason.STOP)
    assert completion.usage.input_tokens == 10


async def test_the_money_is_held_while_the_answer_is_written(caller: Caller, play: Play) -> None:
    play(Scripted(PAID, (TextDelta("Press"), *DONE)))
    async with client.stream(ask(caller)) as stream:
        await anext(stream)
        reserved, settled, open_ = await books(caller)
    assert reserved >= Decimal("0.2")
    assert (settled, open_) == (Decimal(0), 1)


@pytest.mark.threat("B2")
async def test_a_client_that_leaves_closes_the_provider_and_pays_what_was_written(caller: Caller, play: Play) -> None:
    provider = Scripted(PAID, (TextDelta("three bytes"), None))
    play(provider)
    begun = asyncio.Event()

    async def read() -> None:
        async with client.stream(ask(caller)) as stream:
            async for _event in stream:
                begun.set()

    task = asyncio.create_task(read())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    (record,) = await records(caller)
    reserved, settled, open_ = await books(caller)
    assert provider.closed == 1
    assert (record.finish_reason, record.usage_estimated, record.content.data["answer"]) == (
        "cancelled",
        True,
        "three bytes",
    )
    assert (reserved, open_) == (Decimal(0), 0)
    assert settled == record.cost > 0


async def test_a_client_that_breaks_off_is_recorded_with_its_verdict(caller: Caller, play: Play) -> None:
    provider = Scripted(PAID, (TextDelta("a"), None))
    play(provider)
    async with client.stream(ask(caller)) as stream:
        async for _event in stream:
            break
        stream.judge(Verdict("unsupported"))
    (record,) = await records(caller)
    assert (record.finish_reason, record.verdict, provider.closed) == ("cancelled", "unsupported", 1)


@pytest.mark.threat("B3")
async def test_a_provider_that_reports_no_usage_is_estimated_and_marked(caller: Caller, play: Play) -> None:
    play(Scripted(PAID, (TextDelta("123456"), Finished(FinishReason.STOP))))
    await client.complete(ask(caller))
    (record,) = await records(caller)
    assert (record.usage_estimated, record.output_tokens, record.input_tokens) == (True, 2, 10)
    assert record.cost > 0


@pytest.mark.threat("B1", "B2")
async def test_a_refused_call_never_reaches_the_provider_and_is_recorded(
    cast: Cast, caller: Caller, play: Play
) -> None:
    provider = Scripted(PAID, (*DONE,))
    play(provider)
    await in_tenant(caller.tenant_id, lambda: Budget.objects.create(tenant=cast.acme, limit=0))
    with pytest.raises(BudgetExceeded):
        await client.complete(ask(caller))
    (record,) = await records(caller)
    assert (provider.calls, record.error_code, record.finish_reason) == (0, "budget_exceeded", "error")


@pytest.mark.threat("B1")
async def test_parallel_questions_never_overspend(cast: Cast, caller: Caller, play: Play) -> None:
    play(Scripted(PAID, (TextDelta("x"), *DONE)))
    await in_tenant(caller.tenant_id, lambda: Budget.objects.create(tenant=cast.acme, limit=1))
    results = await asyncio.gather(*(client.complete(ask(caller)) for _ in range(30)), return_exceptions=True)
    reserved, settled, open_ = await books(caller)
    admitted = [each for each in results if not isinstance(each, BaseException)]
    assert all(isinstance(each, BudgetExceeded) for each in results if isinstance(each, BaseException))
    assert settled == len(admitted) * Decimal("0.014") <= 1
    assert (reserved, open_) == (Decimal(0), 0)
    assert await in_database(lambda: verify(caller.tenant_id).ok)


@pytest.mark.threat("B5")
async def test_an_unpriced_model_is_refused_and_recorded(caller: Caller, play: Play) -> None:
    play(Scripted(UNPRICED, (*DONE,)))
    with pytest.raises(UnpricedModel):
        await client.complete(ask(caller))
    assert [record.error_code for record in await records(caller)] == ["unpriced_model"]


async def test_an_unknown_model_and_a_task_without_a_model_are_recorded(caller: Caller, play: Play) -> None:
    play(Scripted(FREE, (*DONE,)))
    with pytest.raises(UnknownModel):
        await client.complete(ask(caller, model="nobody"))
    with pytest.raises(NoCandidate):
        await client.complete(ask(caller, task=Task.REWRITE))
    assert [record.error_code for record in await records(caller)] == ["unknown_model", "no_candidate"]


async def test_the_call_may_name_its_model(caller: Caller, play: Play) -> None:
    first, second = Scripted(PAID, (*DONE,)), Scripted(SPARE, (*DONE,))
    play(first, second)
    await client.complete(ask(caller, model="spare"))
    assert (first.calls, second.calls) == (0, 1)


@pytest.mark.threat("V6")
async def test_a_break_before_the_first_token_is_retried_unseen(caller: Caller, play: Play) -> None:
    provider = Scripted(PAID, (RateLimited("slow down", retry_after=0),), (TextDelta("ok"), *DONE))
    play(provider)
    completion = await client.complete(ask(caller))
    (record,) = await records(caller)
    assert (completion.text, provider.calls) == ("ok", 2)
    assert "rate_limited" in str(record.attempts)


@pytest.mark.threat("V3", "V6")
async def test_a_break_midway_is_retracted_and_both_pieces_are_paid(caller: Caller, play: Play) -> None:
    play(Scripted(PAID, (TextDelta("half an ans"), StreamBroken("cut"))), Scripted(SPARE, (TextDelta("whole"), *DONE)))
    seen: list[StreamEvent] = []
    async with client.stream(ask(caller)) as stream:
        async for event in stream:
            seen.append(event)
    (record,) = await records(caller)
    assert any(isinstance(event, Retracted) for event in seen)
    assert (record.model, record.content.data["answer"]) == ("spare", "whole")
    assert record.cost > Decimal("0.014")


async def test_a_failed_call_is_recorded_with_what_was_written(caller: Caller, play: Play) -> None:
    play(Scripted(PAID, (TextDelta("half"), InvalidCredentials("key revoked"))))
    with pytest.raises(InvalidCredentials):
        await client.complete(ask(caller))
    (record,) = await records(caller)
    assert (record.error_code, record.content.data["answer"]) == ("invalid_credentials", "half")
    assert (await books(caller))[0] == 0


async def test_a_fault_of_our_own_is_recorded_too(caller: Caller, play: Play) -> None:
    play(Scripted(PAID, (TextDelta("x"), *DONE)))
    with pytest.raises(ZeroDivisionError):
        async with client.stream(ask(caller)) as stream:
            await anext(stream)
            raise ZeroDivisionError
    assert [record.error_code for record in await records(caller)] == ["internal_error"]


async def test_vectors_are_paid_and_recorded_without_their_texts(caller: Caller, play: Play) -> None:
    play()
    assert await client.embed(EmbeddingCall(caller, ("one", "two"))) == [[1.0, 0.0], [1.0, 0.0]]
    (record,) = await records(caller)
    assert (record.kind, record.inputs, record.model, record.cost) == ("embedding", 2, "vectors", Decimal("0.002"))
    assert await books(caller) == (Decimal(0), Decimal("0.002"), 0)


async def test_a_failed_embedding_gives_its_money_back(caller: Caller, play: Play) -> None:
    play()
    with pytest.raises(ConnectionFailed):
        await client.embed(EmbeddingCall(caller, ("broken",)))
    (record,) = await records(caller)
    assert (record.finish_reason, record.error_code, record.cost) == ("error", "connection_failed", 0)
    assert (await books(caller))[0] == 0


def test_a_worker_embeds_without_a_loop_of_its_own(caller: Caller, play: Play) -> None:
    play()
    assert client.embed_sync(caller, ["one"]) == [[1.0, 0.0]]
    with pytest.raises(ConnectionFailed):
        client.embed_sync(caller, ["broken"])
    with tenant_scope(caller.tenant_id):
        assert list(AuditRecord.objects.order_by("sequence").values_list("error_code", flat=True)) == [
            "",
            "connection_failed",
        ]


def test_no_transaction_is_held_while_a_model_works(caller: Caller, play: Play) -> None:
    play()
    with pytest.raises(RuntimeError, match="inside a transaction"), tenant_scope(caller.tenant_id):
        client.embed_sync(caller, ["one"])


def test_a_record_takes_few_queries(caller: Caller, play: Play) -> None:
    play()
    client.embed_sync(caller, ["one"])
    with CaptureQueriesContext(connection) as queries:
        client.embed_sync(caller, ["one"])
    assert len(queries) <= 22, [query["sql"][:80] for query in queries]
