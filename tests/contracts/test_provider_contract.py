"""What every adapter owes the gateway, tried against servers that speak the real protocols."""

from __future__ import annotations

import asyncio
import logging
import re
import sys
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from gateway.base import Provider, Streaming
from gateway.errors import (
    ConnectionFailed,
    ContextTooLong,
    GatewayError,
    InvalidCredentials,
    InvalidRequest,
    NotInstalled,
    Overloaded,
    ProviderError,
    ProviderTimeout,
    QuotaExhausted,
    RateLimited,
    StreamBroken,
)
from gateway.fallback import Fallback
from gateway.profiles import completion_profile
from gateway.providers.extractive import ExtractiveProvider
from gateway.retry import Retrying
from gateway.timeouts import Timed
from gateway.types import (
    Call,
    Finished,
    FinishReason,
    Retracted,
    Source,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    Trace,
    UsageReport,
)
from tests.contracts.cases import (
    ANTHROPIC,
    BEDROCK,
    CHAT,
    COMPATIBLE,
    GEMINI,
    KEY,
    MISTRAL,
    RESPONSES,
    WIRE,
    Case,
    call,
)
from tests.servers import bedrock_server, gemini_server
from tests.servers.wire import Request, Script, failure, serving

TEXTS = ("Grüße ", "aus 東京 ", "🙂[1].")
TEXT = "".join(TEXTS)
wire = pytest.mark.parametrize("case", WIRE, ids=str)


async def collect(provider: Streaming, asked: Call) -> list[StreamEvent]:
    async with aclosing(provider.stream(asked, Trace())) as events:
        return [event async for event in events]


def text(events: list[StreamEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


@asynccontextmanager
async def open_provider(case: Case, url: str) -> AsyncIterator[Provider]:
    provider = case.make(url)
    try:
        yield provider
    finally:
        await provider.aclose()


async def ask(case: Case, script: Script, **options: float) -> list[StreamEvent]:
    async with serving(script) as server, open_provider(case, server.url) as provider:
        return await collect(provider, call(**options))


@dataclass
class Silence:
    """Set when a client has asked, and when it has gone."""

    asked: asyncio.Event
    left: asyncio.Event


@asynccontextmanager
async def silent() -> AsyncIterator[tuple[str, Silence]]:
    """A server that reads and never says a word, not even a head."""
    seen = Silence(asyncio.Event(), asyncio.Event())

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        seen.asked.set()
        while await reader.read(1000):
            pass
        seen.left.set()
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}", seen
    finally:
        listening.close()


async def fails(case: Case, script: Script) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        await ask(case, script)
    return caught.value


async def embed(texts: list[str]) -> list[list[float]]:
    return [[1.0, 0.0] for _ in texts]


def quoting() -> tuple[ExtractiveProvider, Call]:
    """The extractive provider and a call that it can answer."""
    words = "You can link five devices on the free plan of Larkspur."
    source = Source(1, words, "d", "v", "Devices", "", 0, len(words))
    asked = call("How many devices can I link?")
    return ExtractiveProvider(completion_profile("extractive"), embed), Call(
        asked.caller, asked.messages, asked.options, sources=(source,), question=asked.question
    )


@wire
async def test_text_comes_in_order_then_usage_then_the_end(case: Case) -> None:
    events = await ask(case, Script(case.say(TEXTS, "stop")))
    assert [event.text for event in events if isinstance(event, TextDelta)] == list(TEXTS)
    assert isinstance(events[-2], UsageReport)
    assert events[-2].usage == case.usage
    assert isinstance(events[-1], Finished)
    assert (events[-1].reason, events[-1].model_version != "") == (FinishReason.STOP, True)


async def test_the_extractive_provider_keeps_the_same_order() -> None:
    provider, asked = quoting()
    events = await collect(provider, asked)
    assert "five devices" in text(events)
    assert isinstance(events[-2], UsageReport)
    assert events[-1] == Finished(FinishReason.STOP, "extractive-1")


@wire
@pytest.mark.threat("V4")
@pytest.mark.parametrize("framing", ["chunked", "close"])
async def test_bytes_may_come_one_by_one(case: Case, framing: str) -> None:
    events = await ask(case, Script(case.say(TEXTS, "stop"), split=1, framing=framing))  # type: ignore[arg-type]
    assert text(events) == TEXT


@wire
@pytest.mark.threat("B3")
async def test_usage_that_is_missing_is_not_made_up(case: Case) -> None:
    events = await ask(case, Script(case.silent(TEXTS)))
    assert text(events) == TEXT
    assert not any(isinstance(event, UsageReport) for event in events)
    assert isinstance(events[-1], Finished)


@wire
@pytest.mark.threat("V7")
@pytest.mark.parametrize("reason", ["length", "refusal", "content_filter", "tool_call"])
async def test_why_it_ended_is_told_apart(case: Case, reason: str) -> None:
    reason = case.lacks.get(reason, reason)
    events = await ask(case, Script(case.say(TEXTS, reason)))
    assert isinstance(events[-1], Finished)
    assert events[-1].reason.value == reason
    if reason == "tool_call":
        calls = [event for event in events if isinstance(event, ToolCallDelta)]
        assert ("".join(each.name for each in calls), calls[0].id) == ("look_up", "call_1")
        assert {each.index for each in calls} == {0}
        assert "".join(each.arguments for each in calls) == '{"order":7}'


@wire
@pytest.mark.threat("B2", "R5")
async def test_a_reader_who_leaves_closes_the_upstream_at_once(case: Case) -> None:
    async with serving(Script(case.say(TEXTS, "stop"), stall=4)) as server, open_provider(case, server.url) as provider:
        async with aclosing(provider.stream(call(), Trace())) as events:
            async for event in events:
                if isinstance(event, TextDelta):
                    break
        started = time.perf_counter()
        await asyncio.wait_for(server.gone.wait(), 0.5)
        assert time.perf_counter() - started < 0.5


@wire
@pytest.mark.threat("B2", "R5")
@pytest.mark.parametrize("stall", [0, 4])
async def test_a_cancelled_task_closes_the_upstream_at_once(case: Case, stall: int) -> None:
    script = Script(case.say(TEXTS, "stop"), stall=stall)
    async with serving(script) as server, open_provider(case, server.url) as provider:
        task = asyncio.create_task(collect(provider, call()))
        await asyncio.wait_for(server.asked.wait(), 2)
        await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.wait_for(server.gone.wait(), 0.5)
        with pytest.raises(asyncio.CancelledError):
            await task


async def cut_everywhere(case: Case, script: Script, places: list[int]) -> list[tuple[int, list[StreamEvent] | str]]:
    """What came of the stream, cut at each of the places: its events, or the code of its error."""
    limit = asyncio.Semaphore(40)

    def respond(request: Request) -> Script:
        return Script(script.pieces, framing=script.framing, cut=int(request.asked))

    async with serving(respond) as server, open_provider(case, server.url) as provider:

        async def one(place: int) -> tuple[int, list[StreamEvent] | str]:
            async with limit:
                try:
                    return place, await collect(provider, call(str(place)))
                except GatewayError as error:
                    return place, error.code

        return await asyncio.gather(*(one(place) for place in places))


@wire
@pytest.mark.threat("V4")
async def test_cut_at_every_byte_it_never_passes_for_complete(case: Case) -> None:
    """Without a length, where a cut looks like an end: the terminator alone tells them apart."""
    script = Script(case.say(("Grüße ", "🙂"), "stop"), framing="close")
    body = b"".join(script.pieces)
    terminated = case.whole(body)
    early = {place: came for place, came in await cut_everywhere(case, script, list(range(len(body) + 1)))}
    wrong = {place: came for place, came in early.items() if place < terminated and came != "stream_broken"}
    assert wrong == {}
    assert all(isinstance(came, str) or text(came) == "Grüße 🙂" for came in early.values())
    assert isinstance(early[len(body)], list)


@wire
@pytest.mark.threat("V4")
async def test_cut_inside_a_chunked_body_it_never_passes_for_complete(case: Case) -> None:
    script = Script(case.say(("Grüße ", "🙂"), "stop"))
    framed = b"".join(script.framed())
    ending = case.whole(framed)
    for place, came in await cut_everywhere(case, script, [*range(1, len(framed), 7), len(framed)]):
        assert isinstance(came, list) or came == "stream_broken"
        assert place >= ending or came == "stream_broken", place


@wire
@pytest.mark.threat("V3")
async def test_an_error_inside_a_stream_is_an_error(case: Case) -> None:
    events = case.say(TEXTS, "stop")
    error = await fails(case, Script([*events[:3], case.broken, *events[3:]]))
    assert isinstance(error, StreamBroken | Overloaded)


@wire
@pytest.mark.threat("V4")
@pytest.mark.parametrize("data", ["{", "5", "[]", '{"choices":7,"type":"message_delta"}', "\ufeff", "[" * 5000])
async def test_what_cannot_be_read_is_an_error_of_ours(case: Case, data: str) -> None:
    events = case.say(TEXTS, "stop")
    name = b"event: message_delta\n" if case is ANTHROPIC else b""
    script = Script([*events[:3], name + f"data: {data}\n\n".encode()])
    assert (await fails(case, script)).code == "stream_broken"


@wire
@pytest.mark.threat("V4")
async def test_bytes_that_are_no_text_are_an_error_of_ours(case: Case) -> None:
    assert (await fails(case, Script([b"data: \xff\xfe\n\n"]))).code == "stream_broken"


STATUSES = [
    (429, "rate_limit_error", "slow down", RateLimited),
    (429, "insufficient_quota", "You exceeded your current quota", QuotaExhausted),
    (400, "invalid_request_error", "Your credit balance is too low", QuotaExhausted),
    (402, "billing_error", "pay", QuotaExhausted),
    (401, "authentication_error", "bad key", InvalidCredentials),
    (403, "permission_error", "not yours", InvalidCredentials),
    (400, "context_length_exceeded", "too many", ContextTooLong),
    (400, "invalid_request_error", "prompt is too long: 9 tokens > 8 maximum", ContextTooLong),
    (413, "request_too_large", "big", ContextTooLong),
    (400, "invalid_request_error", "no", InvalidRequest),
    (404, "not_found_error", "no such model", InvalidRequest),
    (422, "unprocessable", "no", InvalidRequest),
    (408, "timeout_error", "slow", Overloaded),
    (500, "api_error", "oops", Overloaded),
    (503, "service_unavailable", "Loading model", Overloaded),
    (529, "overloaded_error", "busy", Overloaded),
]


@wire
@pytest.mark.threat("V1", "V2", "V10")
@pytest.mark.parametrize(("status", "code", "message", "kind"), STATUSES)
async def test_each_status_has_its_error(
    case: Case, status: int, code: str, message: str, kind: type[ProviderError]
) -> None:
    error = await fails(case, failure(status, case.error(status, code, message)))
    assert (type(error), error.status) == (kind, status)
    assert message in error.detail


@wire
@pytest.mark.parametrize("body", ["", "<html>bad gateway</html>", "[1]", '{"error": "text"}', '{"error": {"code": 3}}'])
async def test_an_error_without_the_usual_body_is_told_by_its_status(case: Case, body: str) -> None:
    assert isinstance(await fails(case, failure(502, body)), Overloaded)


@wire
@pytest.mark.threat("V1")
async def test_it_says_how_long_to_wait(case: Case) -> None:
    soon = await fails(case, failure(429, case.error(429, "rate_limit_error", "slow"), Retry_After="7"))
    date = await fails(
        case, failure(429, case.error(429, "rate_limit_error", "x"), Retry_After="Mon, 01 Jan 2035 00:00:00 GMT")
    )
    assert isinstance(soon, RateLimited)
    assert isinstance(date, RateLimited)
    assert soon.retry_after == 7
    assert (date.retry_after or 0) > 3600


@wire
async def test_nobody_there_is_a_failed_connection(case: Case) -> None:
    async with serving(Script()) as server:
        url = server.url
    async with open_provider(case, url) as provider:
        with pytest.raises(ConnectionFailed):
            await collect(provider, call())


@wire
async def test_the_sdk_does_not_try_again_by_itself(case: Case) -> None:
    async with serving(failure(500, "")) as server, open_provider(case, server.url) as provider:
        with pytest.raises(Overloaded):
            await collect(provider, call())
        assert len(server.requests) == 1


@wire
@pytest.mark.threat("S8", "T12")
@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_key_never_follows_a_redirect(case: Case, status: int) -> None:
    async with serving(Script(case.say(TEXTS, "stop"))) as thief:
        away = failure(status, "", Location=f"{thief.url}{case.path}")
        assert isinstance(await fails(case, away), InvalidRequest)
        assert thief.connections == 0


@wire
@pytest.mark.threat("T12")
async def test_a_key_that_the_provider_repeats_shows_nowhere(case: Case, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    error = await fails(
        case, failure(401, case.error(401, "invalid_api_key", f"Incorrect API key provided: {KEY}. Bye"))
    )
    broken = await fails(case, Script([*case.say(TEXTS, "stop")[:2], b"event: error\ndata: " + KEY.encode() + b"\n\n"]))
    seen = [str(error), repr(error), error.detail, repr(error.__cause__), str(broken), repr(case.make("http://x"))]
    assert not [each for each in [*seen, caplog.text] if KEY in each]
    assert "Incorrect API key" in error.detail


@wire
@pytest.mark.threat("S8")
async def test_the_environment_does_not_choose_the_address(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(Script(case.say(TEXTS, "stop"))) as thief, serving(Script(case.say(TEXTS, "stop"))) as server:
        for name in ("OPENAI_BASE_URL", "ANTHROPIC_BASE_URL", "GOOGLE_GEMINI_BASE_URL", "AWS_ENDPOINT_URL"):
            monkeypatch.setenv(name, thief.url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-of-somebody-else")
        async with open_provider(case, server.url) as provider:
            await collect(provider, call())
        (request,) = server.requests
        assert thief.connections == 0
        assert request.path == case.path
        sent = "".join(request.headers.get(name, "") for name in ("authorization", "x-api-key", "x-goog-api-key"))
        signed = re.search(r"Credential=(\w+)/", sent)
        assert (signed[1] if signed else sent.removeprefix("Bearer ")) == case.shows


async def test_each_request_says_what_its_api_wants() -> None:
    sent = {}
    for case in WIRE:
        async with serving(Script(case.say(TEXTS, "stop"))) as server, open_provider(case, server.url) as provider:
            await collect(provider, call("How?"))
            sent[case.name] = server.requests[0].body
    assert sent["openai-chat"]["max_completion_tokens"] == sent["openai-responses"]["max_output_tokens"] == 100
    assert sent["anthropic"]["max_tokens"] == sent["compatible"]["max_tokens"] == 100
    assert sent["openai-responses"]["instructions"] == sent["anthropic"]["system"] == "Be brief."
    assert sent["openai-chat"]["store"] is sent["openai-responses"]["store"] is False
    assert sent["anthropic"]["messages"] == [{"role": "user", "content": "How?"}]
    assert "temperature" not in sent["openai-chat"]
    assert sent["compatible"]["temperature"] == 0
    assert sent["openai-responses"]["reasoning"] == {"effort": "none"}
    assert sent["anthropic"]["thinking"] == {"type": "disabled"}


@pytest.mark.threat("V10")
@pytest.mark.parametrize("case", [CHAT, RESPONSES, ANTHROPIC, GEMINI, MISTRAL], ids=str)
async def test_without_a_key_nothing_is_sent(case: Case) -> None:
    provider = case.make("http://127.0.0.1:1")
    provider._key = ""  # type: ignore[attr-defined]
    with pytest.raises(InvalidCredentials, match="_API_KEY is not set"):
        await collect(provider, call())


async def test_a_server_that_knows_no_stream_options_is_asked_without() -> None:
    refuse = failure(400, {"error": {"message": "unknown field: stream_options", "type": "invalid_request_error"}})
    answer = Script(COMPATIBLE.silent(TEXTS))
    async with serving([refuse, answer]) as server, open_provider(COMPATIBLE, server.url) as provider:
        for _ in range(2):
            assert text(await collect(provider, call())) == TEXT
        assert ["stream_options" in request.body for request in server.requests] == [True, False, False]


@wire
async def test_a_connection_is_used_again(case: Case) -> None:
    async with serving(Script(case.say(TEXTS, "stop"))) as server, open_provider(case, server.url) as provider:
        for _ in range(3):
            await collect(provider, call())
        assert server.connections == (3 if case.hangs_up else 1)


@wire
@pytest.mark.threat("V5", "V8")
@pytest.mark.parametrize(("stall", "phase"), [(0, "first_token"), (4, "stall")])
async def test_silence_ends_in_its_own_phase(case: Case, stall: int, phase: str) -> None:
    script = Script(case.say(TEXTS, "stop"), stall=stall)
    async with serving(script) as server, open_provider(case, server.url) as provider:
        with pytest.raises(ProviderTimeout) as caught:
            await collect(Timed(provider), call(first_token_timeout=1 if stall == 0 else 5, stall_timeout=0.1))
        assert caught.value.phase == phase
        await asyncio.wait_for(server.gone.wait(), 5)


@wire
@pytest.mark.threat("V8")
async def test_a_slow_whole_is_not_a_stall(case: Case) -> None:
    script = Script(case.say(TEXTS * 10, "stop"), pause=0.02)
    with pytest.raises(ProviderTimeout) as caught:
        async with serving(script) as server, open_provider(case, server.url) as provider:
            await collect(Timed(provider), call(total_timeout=0.3))
    assert caught.value.phase == "total"


@wire
@pytest.mark.threat("V6")
async def test_it_is_tried_again_before_the_first_token_only(case: Case) -> None:
    busy, whole = failure(529, case.error(529, "overloaded_error", "busy")), Script(case.say(TEXTS, "stop"))
    async with serving([busy, whole]) as server, open_provider(case, server.url) as provider:
        assert text(await collect(Retrying(Timed(provider)), call())) == TEXT
        assert len(server.requests) == 2
    long = case.say(TEXTS * 2, "stop")
    half = Script(long, cut=Script(long[:5]).size() - 5)
    async with serving([half, whole]) as server, open_provider(case, server.url) as provider:
        with pytest.raises(StreamBroken):
            await collect(Retrying(Timed(provider)), call())
        assert len(server.requests) == 1


@pytest.mark.threat("V6", "V3")
@pytest.mark.parametrize(("first", "second"), [(CHAT, ANTHROPIC), (ANTHROPIC, RESPONSES), (RESPONSES, COMPATIBLE)])
async def test_text_is_never_doubled_when_the_next_provider_takes_over(first: Case, second: Case) -> None:
    broken = Script([*first.say(TEXTS, "stop")[:4], first.broken])
    async with serving(broken) as one, serving(Script(second.say(TEXTS, "stop"))) as two:
        async with open_provider(first, one.url) as a, open_provider(second, two.url) as b:
            events = await collect(Fallback([Retrying(Timed(a)), Retrying(Timed(b))]), call())
    place = next(at for at, event in enumerate(events) if isinstance(event, Retracted))
    assert text(events[:place]) in TEXT
    assert text(events[place:]) == TEXT
    assert (len(one.requests), len(two.requests)) == (1, 1)


@pytest.mark.threat("V2", "V10")
async def test_when_every_provider_is_down_the_quotes_remain() -> None:
    quotes, asked = quoting()
    trace = Trace()
    async with serving(Script()) as nobody:
        url = nobody.url
    empty = failure(429, CHAT.error(429, "insufficient_quota", "no money"))
    revoked = failure(401, ANTHROPIC.error(401, "authentication_error", "revoked"))
    async with serving(empty) as one, serving(revoked) as two:
        async with open_provider(CHAT, one.url) as a, open_provider(ANTHROPIC, two.url) as b:
            async with open_provider(COMPATIBLE, url) as c:
                chain = Fallback([Retrying(Timed(each)) for each in (a, b, c, quotes)])
                async with aclosing(chain.stream(asked, trace)) as stream:
                    events = [event async for event in stream]
        assert (len(one.requests), len(two.requests)) == (1, 1), "neither of these is retried"
    assert "five devices" in text(events)
    codes = [attempt["error"] for attempt in trace.attempts]
    assert codes == ["quota_exhausted", "invalid_credentials", *["connection_failed"] * 3]


async def test_a_prompt_that_gemini_blocks_is_a_refusal_before_any_text() -> None:
    error = await fails(GEMINI, Script([gemini_server.blocked("PROHIBITED_CONTENT")]))
    assert (error.code, "PROHIBITED_CONTENT" in error.detail) == ("content_refused", True)


async def test_the_seal_of_a_call_is_kept_with_it() -> None:
    events = await ask(GEMINI, Script(GEMINI.say(TEXTS, "tool_call")))
    (asked,) = [event for event in events if isinstance(event, ToolCallDelta)]
    assert asked.signature == "c2VhbA=="


@pytest.mark.threat("V4")
@pytest.mark.parametrize("place", [2, 9, 40, -3], ids=["length", "prelude", "payload", "crc"])
async def test_a_frame_that_was_damaged_is_never_read(place: int) -> None:
    pieces = BEDROCK.say(TEXTS, "stop")
    damaged = bytearray(pieces[1])
    damaged[place] ^= 1
    assert (await fails(BEDROCK, Script([pieces[0], bytes(damaged), *pieces[2:]]))).code == "stream_broken"


@pytest.mark.parametrize("payload", [{}, {"delta": 7, "contentBlockIndex": 0}, {"delta": {"text": "x"}}])
async def test_a_frame_of_another_shape_is_an_error_of_ours(payload: dict[str, Any]) -> None:
    broken = bedrock_server.event("contentBlockDelta", payload)
    assert (await fails(BEDROCK, Script([broken, *BEDROCK.say(TEXTS, "stop")]))).code == "stream_broken"


@pytest.mark.threat("R5")
async def test_no_thread_of_bedrocks_outlives_a_call_that_was_cancelled_before_its_head() -> None:
    async with silent() as (url, gone), open_provider(BEDROCK, url) as provider:
        task = asyncio.create_task(collect(provider, call()))
        await asyncio.wait_for(gone.asked.wait(), 5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(gone.left.wait(), 0.5)


EXTRAS = [
    (GEMINI, "google.genai", "gemini"),
    (BEDROCK, "botocore", "bedrock"),
    (MISTRAL, "mistralai.client", "mistral"),
]


@pytest.mark.parametrize(("case", "package", "extra"), EXTRAS, ids=str)
async def test_an_sdk_that_is_not_installed_says_which_extra_brings_it(
    case: Case, package: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [package, *(name for name in sys.modules if name.startswith(f"{package}."))]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(NotInstalled, match=rf"citedesk\[{extra}\]"):
        await collect(case.make("http://127.0.0.1:1"), call())
