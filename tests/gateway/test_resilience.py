"""Providers that fail in every way, seen from the one entrance: what the caller gets, what the
server was asked, and what the record says."""

from __future__ import annotations

import asyncio
import dataclasses
import socket
import time
from collections.abc import Iterator
from decimal import Decimal
from email.utils import formatdate
from typing import Any

import pytest

from accounts.models import Tenant
from accounts.tenancy import in_database, in_tenant
from gateway import client, connections, retry
from gateway.breaker import state, stores
from gateway.errors import (
    CircuitOpen,
    GatewayError,
    InvalidCredentials,
    Overloaded,
    ProviderError,
    ProviderTimeout,
    QuotaExhausted,
    RateLimited,
    StreamBroken,
)
from gateway.models import AuditRecord
from gateway.profiles import completion_profile
from gateway.types import Call, Caller, Degraded, Message, Options, Retracted, Source, StreamEvent, TextDelta, Trace
from tests.conftest import TestDatabase
from tests.contracts.cases import ANTHROPIC, CHAT, COMPATIBLE, RESPONSES, WIRE, Case
from tests.gateway.wired import Answers, wired
from tests.servers.wire import Request, Script, failure

TEXTS = ("Grüße ", "aus 東京 ", "🙂.")
TEXT = "".join(TEXTS)
WORDS = "You can link five devices on the free plan of Larkspur."
SOURCE = Source(1, WORDS, "d", "v", "Linking devices", "", 0, len(WORDS))
every = pytest.mark.parametrize("case", WIRE, ids=str)
Patch = pytest.MonkeyPatch


@pytest.fixture(autouse=True)
def quickly(monkeypatch: Patch) -> None:
    """Pauses that nobody asked for are short."""
    monkeypatch.setattr(retry, "FIRST_BOUND", 0.01)
    monkeypatch.setattr(retry, "LAST_BOUND", 0.01)


@pytest.fixture
def patient(monkeypatch: Patch) -> None:
    """Circuits that never open, for tests that only ever fail."""
    monkeypatch.setattr(state, "ENOUGH", 1e9)


@pytest.fixture
def caller(live_db: TestDatabase) -> Caller:
    return Caller(tenant_id=Tenant.objects.create(slug="acme", name="Acme").pk)


def asking(caller: Caller, text: str = "How many devices can I link?", *, sources: bool = False, **more: Any) -> Call:
    messages = (Message("system", "Be brief."), Message("user", text))
    found = (SOURCE,) if sources else ()
    return Call(caller, messages, Options(max_tokens=100, **more), sources=found, question=text)


def said(case: Case, reason: str = "stop") -> Script:
    return Script(case.say(TEXTS, reason))


def spare(case: Case) -> tuple[Case, Script]:
    """A second model, of another provider, that answers."""
    other = ANTHROPIC if case is COMPATIBLE else COMPATIBLE
    return other, said(other)


def refused(case: Case, status: int, code: str, message: str = "no", **headers: str) -> Script:
    return failure(status, case.error(status, code, message), **headers)


def first_word(case: Case) -> int:
    """How many events come before and with the first text."""
    pieces = case.say(TEXTS, "stop")
    return next(at for at, piece in enumerate(pieces, 1) if TEXTS[0].encode() in piece)


async def events_of(call: Call) -> tuple[list[StreamEvent], Trace, GatewayError | None]:
    seen: list[StreamEvent] = []
    async with client.stream(call) as stream:
        try:
            async for event in stream:
                seen.append(event)
        except GatewayError as error:
            return seen, stream.trace, error
    return seen, stream.trace, None


def text(events: list[StreamEvent]) -> str:
    """What a reader sees in the end."""
    shown = ""
    for event in events:
        shown = "" if isinstance(event, Retracted) else shown + event.text if isinstance(event, TextDelta) else shown
    return shown


async def last_record(caller: Caller) -> AuditRecord:
    def read() -> AuditRecord:
        return AuditRecord.objects.select_related("content", "subject").order_by("-sequence")[0]

    return await in_tenant(caller.tenant_id, read)


def errors(trace: Trace | AuditRecord) -> list[str]:
    return [each["error"] for each in trace.attempts]


# ---- V1, V2, V10: told to wait, told that it is over


@every
@pytest.mark.threat("V1")
@pytest.mark.parametrize("form", ["seconds", "date"])
async def test_a_rate_limit_is_waited_for_as_long_as_it_says(
    case: Case, form: str, caller: Caller, monkeypatch: Patch
) -> None:
    def respond(request: Request) -> Script:
        if len(servers[0].requests) > 1:
            return said(case)
        wait = "1" if form == "seconds" else formatdate(time.time() + 2, usegmt=True)
        return refused(case, 429, "rate_limit_error", Retry_After=wait)

    async with wired(monkeypatch, (case, respond)) as servers:
        started = time.perf_counter()
        completion = await client.complete(asking(caller))
        assert (completion.text, len(servers[0].requests)) == (TEXT, 2)
        assert time.perf_counter() - started >= 0.95


@every
@pytest.mark.threat("V1")
async def test_a_wait_too_long_for_a_call_goes_to_the_next_and_rests_the_model(
    case: Case, caller: Caller, monkeypatch: Patch
) -> None:
    limited = refused(case, 429, "rate_limit_error", Retry_After="60")
    async with wired(monkeypatch, (case, limited), spare(case)) as servers:
        for _ in range(3):
            assert (await client.complete(asking(caller))).text == TEXT
        assert [len(server.requests) for server in servers] == [1, 3]
    assert errors(await last_record(caller)) == ["circuit_open"]


@every
@pytest.mark.threat("V2")
async def test_an_exhausted_quota_is_not_tried_again(case: Case, caller: Caller, monkeypatch: Patch) -> None:
    empty = refused(case, 429, "insufficient_quota", "You exceeded your current quota", Retry_After="0")
    async with wired(monkeypatch, (case, empty)) as servers:
        with pytest.raises(QuotaExhausted):
            await client.complete(asking(caller))
        with pytest.raises(CircuitOpen):
            await client.complete(asking(caller))
        assert len(servers[0].requests) == 1


@every
@pytest.mark.threat("V10")
async def test_a_revoked_key_makes_no_storm(case: Case, caller: Caller, monkeypatch: Patch) -> None:
    revoked = refused(case, 401, "invalid_api_key", "Incorrect API key provided: sk-test-0123456789abcdefghij")
    async with wired(monkeypatch, (case, revoked), spare(case)) as servers:
        assert (await client.complete(asking(caller))).text == TEXT
        record = await last_record(caller)
        for completion in await asyncio.gather(*(client.complete(asking(caller)) for _ in range(20))):
            assert completion.text == TEXT
        assert [len(server.requests) for server in servers] == [1, 21]
    assert errors(record) == ["invalid_credentials"]


@pytest.mark.threat("V10", "T12")
async def test_with_no_other_model_a_revoked_key_is_a_clear_error(caller: Caller, monkeypatch: Patch) -> None:
    revoked = refused(CHAT, 401, "invalid_api_key", "Incorrect API key provided: sk-test-0123456789abcdefghij")
    async with wired(monkeypatch, (CHAT, revoked)):
        with pytest.raises(InvalidCredentials, match="Incorrect API key") as caught:
            await client.complete(asking(caller))
    record = await last_record(caller)
    assert record.error_code == "invalid_credentials"
    assert "sk-test" not in str(caught.value) + str(record.attempts) + str(record.content.data)


@pytest.mark.threat("V10", "V9")
@pytest.mark.parametrize(("status", "code"), [(400, "invalid_request_error"), (403, "permission_error")])
async def test_a_text_that_is_refused_shuts_the_model_for_nobody(
    status: int, code: str, caller: Caller, monkeypatch: Patch
) -> None:
    def respond(request: Request) -> Script:
        return refused(CHAT, status, code) if request.asked == "poison" else said(CHAT)

    async with wired(monkeypatch, (CHAT, respond)):
        for _ in range(12):
            with pytest.raises(ProviderError):
                await client.complete(asking(caller, "poison"))
        assert (await client.complete(asking(caller))).text == TEXT


# ---- V3, V4, V6, V7: streams that break, and how they end


@every
@pytest.mark.threat("V3", "V6")
async def test_an_error_inside_a_stream_is_never_complete(
    case: Case, caller: Caller, monkeypatch: Patch, patient: None
) -> None:
    broken = Script([*case.say(TEXTS, "stop")[: first_word(case)], case.broken, *case.say(TEXTS, "stop")])
    async with wired(monkeypatch, (case, broken)) as servers:
        seen, trace, error = await events_of(asking(caller))
        assert isinstance(error, StreamBroken | Overloaded)
        assert (text(seen), len(servers[0].requests)) == (TEXTS[0], 1)
    record = await last_record(caller)
    assert (record.finish_reason, record.error_code) == ("error", error.code)
    async with wired(monkeypatch, (case, broken), spare(case)):
        seen, trace, error = await events_of(asking(caller))
        assert (text(seen), error) == (TEXT, None)
        assert [event.code for event in seen if isinstance(event, Retracted)] == errors(trace)


@every
@pytest.mark.threat("V4", "V6")
async def test_a_cut_anywhere_ends_in_an_error_or_in_the_whole(
    case: Case, caller: Caller, monkeypatch: Patch, patient: None
) -> None:
    """Every byte is cut by the adapters' contract; here the places that matter and some between."""
    script = Script(case.say(("Grüße ", "🙂"), "stop"), framing="close")
    body = b"".join(script.pieces)
    smile = body.index("🙂".encode())
    whole = case.whole(body)
    places = sorted({0, *range(1, len(body), len(body) // 25), *range(smile, smile + 5), whole - 1, len(body)})

    def respond(request: Request) -> Script:
        return dataclasses.replace(script, cut=int(request.asked))

    async with wired(monkeypatch, (case, respond)):
        for place in places:
            seen, trace, error = await events_of(asking(caller, str(place)))
            assert text(seen) in ("", "Grüße ", "Grüße 🙂")
            if error is None:
                assert (place >= whole, text(seen), trace.reason) == (True, "Grüße 🙂", "stop"), place
            else:
                assert (error.code, trace.reason) == ("stream_broken", "error"), place
    assert error is None, "the whole body is whole"


@every
@pytest.mark.threat("V4")
@pytest.mark.parametrize("rubbish", [b"data: {\n\n", b"data: [1]\n\n", b"data: \xf0\x9f\x99\n\n", b"\x00\xff\n\n"])
async def test_what_cannot_be_read_is_an_error_and_the_next_answers(
    case: Case, rubbish: bytes, caller: Caller, monkeypatch: Patch, patient: None
) -> None:
    garbled = Script([*case.say(TEXTS, "stop")[: first_word(case)], rubbish])
    async with wired(monkeypatch, (case, garbled), spare(case)):
        seen, trace, error = await events_of(asking(caller))
    assert (text(seen), errors(trace), error) == (TEXT, ["stream_broken"], None)


@every
@pytest.mark.threat("V4")
async def test_characters_split_between_packets_are_whole(case: Case, caller: Caller, monkeypatch: Patch) -> None:
    async with wired(monkeypatch, (case, Script(case.say(TEXTS, "stop"), split=1))):
        assert (await client.complete(asking(caller))).text == TEXT


@every
@pytest.mark.threat("V6")
async def test_before_the_first_word_it_is_tried_again_unseen(case: Case, caller: Caller, monkeypatch: Patch) -> None:
    begun = Script(case.say(TEXTS, "stop"), cut=Script(case.say(TEXTS, "stop")[: first_word(case) - 1]).size() - 5)
    busy = refused(case, 503, "service_unavailable")
    async with wired(monkeypatch, (case, [busy, begun, said(case)])) as servers:
        seen, trace, error = await events_of(asking(caller))
        assert (text(seen), len(servers[0].requests), error) == (TEXT, 3, None)
    assert not any(isinstance(event, Retracted) for event in seen)
    assert errors(trace) == ["overloaded", "stream_broken"]


@every
@pytest.mark.threat("V7")
@pytest.mark.parametrize("reason", ["stop", "length", "refusal", "content_filter", "tool_call"])
async def test_each_end_is_recorded_as_what_it_is(case: Case, reason: str, caller: Caller, monkeypatch: Patch) -> None:
    reason = case.lacks.get(reason, reason)
    async with wired(monkeypatch, (case, said(case, reason))):
        completion = await client.complete(asking(caller))
    assert completion.reason.value == (await last_record(caller)).finish_reason == reason


# ---- V5, V8: slow


@every
@pytest.mark.threat("V5", "V8")
async def test_silence_before_and_between_words_ends_in_its_own_phase(
    case: Case, caller: Caller, monkeypatch: Patch
) -> None:
    for stall, limits, phase in (
        (0, {"first_token_timeout": 0.2}, "first_token"),
        (first_word(case), {"stall_timeout": 0.2}, "stall"),
    ):
        silent = Script(case.say(TEXTS, "stop"), stall=stall)
        async with wired(monkeypatch, (case, [said(case), silent])) as servers:
            await client.complete(asking(caller))  # the SDK is loaded, which takes its time
            _, _, error = await events_of(asking(caller, **limits))
            assert isinstance(error, ProviderTimeout)
            assert (error.phase, len(servers[0].requests)) == (phase, 2), "who waited has waited long enough"
            await asyncio.wait_for(servers[0].gone.wait(), 5)


@pytest.mark.threat("V8")
async def test_a_slow_whole_ends_with_the_call_and_quotes_still_come(caller: Caller, monkeypatch: Patch) -> None:
    slow = Script(CHAT.say(TEXTS * 20, "stop"), pause=0.05)
    async with wired(monkeypatch, (CHAT, slow), (RESPONSES, said(RESPONSES))) as servers:
        _, _, error = await events_of(asking(caller, total_timeout=0.6))
        assert isinstance(error, ProviderTimeout)
        assert error.phase == "total"
        assert servers[1].requests == [], "the whole is the call's, not each candidate's"
        seen, trace, error = await events_of(asking(caller, sources=True, total_timeout=0.6))
        assert (error, trace.degraded) == (None, Degraded.QUOTES)
        assert "five devices" in text(seen)


@pytest.fixture
def deaf() -> Iterator[str]:
    """An address at which connecting never ends: nobody accepts, and the queue is full."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        waiting = []
        for _ in range(3):
            each = socket.socket()
            each.setblocking(False)
            each.connect_ex(listening.getsockname())
            waiting.append(each)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        for each in waiting:
            each.close()


@every
@pytest.mark.threat("V8")
async def test_connecting_has_a_limit_of_its_own(case: Case, deaf: str, caller: Caller, monkeypatch: Patch) -> None:
    provider = case.make(deaf)
    async with wired(monkeypatch, (case, said(case))):
        provider.profile = dataclasses.replace(provider.profile, id=f"{case.name}-0")
        monkeypatch.setattr(connections, "provider", lambda _profile, _key=None: provider)
        _, trace, error = await events_of(asking(caller, connect_timeout=0.2))
        assert isinstance(error, ProviderTimeout)
        assert (error.phase, len(trace.attempts)) == ("connect", 3)
    await provider.aclose()


# ---- V9: down


@every
@pytest.mark.threat("V9")
async def test_a_model_that_is_down_is_left_alone_tried_by_one_and_used_again(
    case: Case, caller: Caller, monkeypatch: Patch
) -> None:
    answers: list[Script] = [refused(case, 500, "api_error")]
    async with wired(monkeypatch, (case, lambda _request: answers[0]), spare(case)) as servers:
        model, store = servers[0], stores.shared()
        for _ in range(8):
            assert (await client.complete(asking(caller))).text == TEXT
        assert len(model.requests) == 5, "the circuit is open"

        await in_database(store.change, f"{case.name}-0", _rested)
        await asyncio.sleep(0.6)
        body = b"".join(case.say(TEXTS, "stop"))
        answers[0] = Script([body[:5], body[5:]], pause=3)
        model.asked.clear()
        probe = asyncio.create_task(client.complete(asking(caller)))
        await asyncio.wait_for(model.asked.wait(), 10)
        others = await asyncio.gather(*(client.complete(asking(caller)) for _ in range(4)))
        assert len(model.requests) == 6, "one tries, the others go on"
        assert {completion.text for completion in [await probe, *others]} == {TEXT}

        answers[0] = said(case)
        await client.complete(asking(caller))
        assert len(model.requests) == 7, "it is used again"
    assert (await last_record(caller)).model == f"{case.name}-0"


@pytest.mark.threat("V9")
async def test_a_model_that_fails_now_and_then_is_used_on(caller: Caller, monkeypatch: Patch) -> None:
    def respond(request: Request) -> Script:
        return said(CHAT) if len(servers[0].requests) % 4 else refused(CHAT, 500, "api_error")

    async with wired(monkeypatch, (CHAT, respond)) as servers:
        for _ in range(40):
            assert (await client.complete(asking(caller))).text == TEXT
        assert len(servers[0].requests) > 50


@pytest.mark.threat("V9", "B2")
async def test_a_probe_whose_caller_leaves_is_free_for_the_next(caller: Caller, monkeypatch: Patch) -> None:
    answers: list[Script] = [refused(CHAT, 500, "api_error")]
    async with wired(monkeypatch, (CHAT, lambda _request: answers[0])) as servers:
        for _ in range(3):
            await events_of(asking(caller))
        await in_database(stores.shared().change, "openai-chat-0", _rested)
        await asyncio.sleep(0.6)
        answers[0] = Script(CHAT.say(TEXTS, "stop"), stall=0)
        servers[0].asked.clear()
        task = asyncio.create_task(client.complete(asking(caller)))
        await asyncio.wait_for(servers[0].asked.wait(), 5)
        with pytest.raises(CircuitOpen):
            await client.complete(asking(caller))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        answers[0] = said(CHAT)
        assert (await client.complete(asking(caller))).text == TEXT


def _rested(found: state.State, now: float) -> state.State:
    assert found.phase(now) == state.Phase.OPEN
    return dataclasses.replace(found, open_until=now - 0.001)


# ---- R5: stop


@every
@pytest.mark.threat("R5", "B2")
@pytest.mark.parametrize("place", ["before the first word", "in the middle", "hedged"])
async def test_stop_closes_what_is_open_within_half_a_second(
    case: Case, place: str, caller: Caller, monkeypatch: Patch
) -> None:
    stall = first_word(case) if place == "in the middle" else 0
    silent: tuple[Case, Answers] = (case, Script(case.say(TEXTS, "stop"), stall=stall))
    parts = [silent, (COMPATIBLE, Script(COMPATIBLE.say(TEXTS, "stop"), stall=0))][: 2 if place == "hedged" else 1]
    async with wired(monkeypatch, *parts) as servers:
        task = asyncio.create_task(client.complete(asking(caller, hedge_after=0.05 if place == "hedged" else 0)))
        for server in servers:
            await asyncio.wait_for(server.asked.wait(), 5)
        await asyncio.sleep(0.1)
        started = time.perf_counter()
        task.cancel()
        for server in servers:
            await asyncio.wait_for(server.gone.wait(), 0.5)
        assert time.perf_counter() - started < 0.5
        with pytest.raises(asyncio.CancelledError):
            await task
    assert (await last_record(caller)).finish_reason == "cancelled"


# ---- hedging


@pytest.mark.parametrize(("slow", "quick"), [(CHAT, ANTHROPIC), (ANTHROPIC, RESPONSES), (RESPONSES, CHAT)])
async def test_the_slower_of_two_is_closed_paid_and_recorded(
    slow: Case, quick: Case, caller: Caller, monkeypatch: Patch
) -> None:
    stalled = Script(slow.say(TEXTS, "stop"), stall=0)
    async with wired(monkeypatch, (slow, [said(slow), stalled]), (quick, said(quick))) as servers:
        await client.complete(asking(caller))  # the SDK is loaded, which takes its time
        alone = await client.complete(asking(caller, model=f"{quick.name}-1"))
        paid = (await last_record(caller)).cost
        hedged = await client.complete(asking(caller, hedge_after=0.3))
        await asyncio.wait_for(servers[0].gone.wait(), 5)
        assert hedged.text == alone.text == TEXT
    record = await last_record(caller)
    assert (record.model, errors(record)) == (f"{quick.name}-1", ["outrun"])
    assert record.cost > paid > Decimal(0)


# ---- degraded


@pytest.mark.threat("V9")
async def test_when_every_model_is_down_the_quotes_remain_and_are_said_to_be_quotes(
    caller: Caller, monkeypatch: Patch
) -> None:
    down = [(case, refused(case, 503, "service_unavailable")) for case in (CHAT, ANTHROPIC)]
    async with wired(monkeypatch, *down):
        for _ in range(3):
            seen, trace, error = await events_of(asking(caller, sources=True))
            assert (text(seen), error) == (f"{WORDS} [1]", None)
            assert (trace.degraded, trace.model) == (Degraded.QUOTES, "extractive")
    record = await last_record(caller)
    assert (record.provider, record.finish_reason) == ("extractive", "stop")
    assert set(errors(record)) == {"circuit_open"}


async def test_when_not_even_quotes_can_be_had_a_fixed_text_names_the_articles(
    caller: Caller, monkeypatch: Patch
) -> None:
    async def no_vectors(texts: list[str]) -> list[list[float]]:
        raise Overloaded("the embedding model is down")

    async with wired(monkeypatch, (CHAT, refused(CHAT, 503, "service_unavailable"))):
        extractive = connections.provider(completion_profile("extractive"))
        monkeypatch.setattr(extractive, "_embed", no_vectors)
        seen, trace, error = await events_of(asking(caller, sources=True))
    assert (trace.degraded, trace.provider, error) == (Degraded.POINTERS, "template", None)
    assert text(seen).startswith("No language model could be reached")
    assert "- Linking devices" in text(seen)
    assert trace.cost == 0


async def test_text_of_a_model_that_broke_is_taken_back_before_the_quotes(
    caller: Caller, monkeypatch: Patch, patient: None
) -> None:
    half = Script([*CHAT.say(TEXTS, "stop")[: first_word(CHAT)], CHAT.broken])
    async with wired(monkeypatch, (CHAT, half)):
        seen, trace, _ = await events_of(asking(caller, sources=True))
    assert text(seen) == f"{WORDS} [1]"
    assert trace.degraded == Degraded.QUOTES


async def test_who_asks_for_one_model_is_told_that_it_failed(caller: Caller, monkeypatch: Patch) -> None:
    async with wired(monkeypatch, (CHAT, refused(CHAT, 503, "service_unavailable"))):
        with pytest.raises(Overloaded):
            await client.complete(asking(caller, sources=True, model="openai-chat-0"))


async def test_without_sources_the_models_own_error_is_told(caller: Caller, monkeypatch: Patch) -> None:
    limited = refused(CHAT, 429, "rate_limit_error", Retry_After="60")
    async with wired(monkeypatch, (CHAT, limited)):
        with pytest.raises(RateLimited):
            await client.complete(asking(caller))
