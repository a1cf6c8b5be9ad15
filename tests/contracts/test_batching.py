"""What every adapter of a batch API owes the gateway, tried against servers that speak the real protocols."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.abilities import Tool
from gateway.errors import GatewayError, InvalidCredentials, Overloaded, ProviderError, RateLimited, StreamBroken
from gateway.providers.batching.anthropic import AnthropicBatches
from gateway.providers.batching.base import BatchProvider, Progress, Remote, Result, Upload
from gateway.providers.batching.openai import OpenAIChatBatches, OpenAIResponsesBatches
from gateway.types import Call, Finished, FinishReason, TextDelta, UsageReport
from tests.contracts.cases import HAIKU, KEY, LUNA, call
from tests.servers.batch_servers import (
    UNREACHED,
    USAGE,
    AnthropicBatchServer,
    BatchServer,
    OpenAIBatchServer,
    fails,
    says,
)
from tests.servers.wire import Script, failure, serving


@dataclasses.dataclass(frozen=True)
class Api:
    name: str
    server: Callable[[], BatchServer]
    make: Callable[[str, str], BatchProvider]
    path: str

    def __str__(self) -> str:
        return self.name


APIS = [
    Api("chat", OpenAIBatchServer, lambda url, key: OpenAIChatBatches(LUNA, key=key, url=f"{url}/v1"), "/v1/batches"),
    Api(
        "responses",
        OpenAIBatchServer,
        lambda url, key: OpenAIResponsesBatches(LUNA, key=key, url=f"{url}/v1"),
        "/v1/batches",
    ),
    Api(
        "anthropic",
        AnthropicBatchServer,
        lambda url, key: AnthropicBatches(HAIKU, key=key, url=url),
        "/v1/messages/batches",
    ),
]
pytestmark = pytest.mark.parametrize("api", APIS, ids=str)


@asynccontextmanager
async def speaking(api: Api, key: str = KEY) -> AsyncIterator[tuple[BatchProvider, BatchServer]]:
    server = api.server()
    server.polls = ["completed"]
    async with serving(server) as wire:
        provider = api.make(wire.url, key)
        yield provider, server
        await provider.aclose()


def upload(provider: BatchProvider, *calls: Call, begun: datetime | None = None) -> Upload:
    lines = {str(each.id): provider.line(each) for each in calls}
    return Upload("part-1", begun or datetime.now(UTC), lines)


async def read(provider: BatchProvider, remote_id: str) -> list[Result]:
    progress = await provider.progress(remote_id)
    return [result async for result in provider.results(remote_id, progress)]


async def test_a_result_is_what_the_stream_would_have_said(api: Api) -> None:
    async with speaking(api) as (provider, _server):
        asked = call("How? Größe 😀")
        remote_id = await provider.submit(upload(provider, asked))
        [result] = await read(provider, remote_id)
    assert result.custom_id == str(asked.id)
    assert "".join(each.text for each in result.events if isinstance(each, TextDelta)) == "About How? Größe 😀"
    [reported] = [each.usage for each in result.events if isinstance(each, UsageReport)]
    assert (reported.input_tokens, reported.output_tokens) == USAGE
    assert isinstance(result.events[-1], Finished)
    assert result.events[-1].reason is FinishReason.STOP


async def test_a_request_is_the_one_of_an_ordinary_call_without_a_stream(api: Api) -> None:
    async with speaking(api) as (provider, _server):
        tool = Tool("look_up", "Looks up an order.", {"type": "object", "properties": {}})
        said = json.loads(provider.line(call("How?", tools=(tool,))))
    body = said.get("body") or said["params"]
    assert "stream" not in body
    assert body["tools"]
    if api.name != "anthropic":
        assert said["method"] == "POST"
        assert said["url"] == ("/v1/chat/completions" if api.name == "chat" else "/v1/responses")
        assert body["store"] is False


async def test_results_come_in_any_order_and_each_with_its_own_end(api: Api) -> None:
    outcomes = {"good": says("yes"), "bad": fails("invalid_request_error"), "late": UNREACHED}
    async with speaking(api) as (provider, server):
        server.outcome = lambda _id, asked: outcomes[asked]
        calls = [call(name) for name in outcomes]
        results = await read(provider, await provider.submit(upload(provider, *calls)))
    found = {result.custom_id: result for result in results}
    assert [result.custom_id for result in results] != [str(each.id) for each in calls]
    codes = [error.code if (error := found[str(each.id)].error) else "" for each in calls]
    assert codes == ["", "invalid_request", "batch_expired"]


@pytest.mark.parametrize(
    ("said", "state"),
    [
        ("in_progress", Remote.PROCESSING),
        ("completed", Remote.COMPLETED),
        ("expired", Remote.EXPIRED),
        ("cancelled", Remote.CANCELLED),
    ],
)
async def test_states_are_told_apart(api: Api, said: str, state: Remote) -> None:
    async with speaking(api) as (provider, server):
        remote_id = await provider.submit(upload(provider, call()))
        server.polls = [said]
        progress = await provider.progress(remote_id)
    ended = Remote.COMPLETED if api.name == "anthropic" and state is not Remote.PROCESSING else state
    assert progress.state is ended  # of Anthropic each result says it for itself
    assert progress.counted == (0 if state is Remote.PROCESSING else 1)


@pytest.mark.threat("V4")
async def test_results_cut_at_every_byte_are_never_all(api: Api) -> None:
    async with speaking(api) as (provider, server):
        remote_id = await provider.submit(upload(provider, call("one"), call("two")))
        progress = await provider.progress(remote_id)
        assert len([each async for each in provider.results(remote_id, progress)]) == progress.counted == 2
        for cut in range(server.sent - 1):  # the last byte ends the last line
            server.cut, found = cut, []
            with suppress(StreamBroken):
                found = [each async for each in provider.results(remote_id, progress)]
            assert len(found) < progress.counted


@pytest.mark.threat("V1")
@pytest.mark.parametrize(
    ("status", "kind", "error"),
    [
        (429, "rate_limit_error", RateLimited),
        (500, "api_error", Overloaded),
        (529, "overloaded_error", Overloaded),
        (401, "authentication_error", InvalidCredentials),
    ],
)
async def test_errors_have_our_names_and_never_the_key(
    api: Api, status: int, kind: str, error: type[ProviderError]
) -> None:
    body = {"type": "error", "error": {"type": kind, "message": f"no, {KEY}"}}
    async with speaking(api) as (provider, server):
        remote_id = await provider.submit(upload(provider, call()))
        server.polls = [failure(status, body, Retry_After="7")]
        with pytest.raises(error) as caught:
            await provider.progress(remote_id)
    assert KEY not in caught.value.detail
    assert caught.value.retry_after == (7 if status != 401 else None)


async def test_what_was_submitted_is_found_again_and_nothing_else(api: Api) -> None:
    async with speaking(api) as (provider, server):
        asked = upload(provider, call("one"), call("two"))
        assert (await provider.find(asked)).remote_id == ""
        remote_id = await provider.submit(asked)
        other = Upload("part-2", asked.begun, {str(each.id): provider.line(each) for each in (call(), call())})
        assert (await provider.find(asked)).remote_id == remote_id
        assert not (await provider.find(other)).remote_id
        later = dataclasses.replace(asked, begun=asked.begun + timedelta(days=1))
        assert not (await provider.find(later)).remote_id
        server.polls = ["in_progress"]
        found = await provider.find(asked)
    assert found.remote_id == remote_id or found.undecided


async def test_without_a_key_nothing_is_asked(api: Api) -> None:
    async with speaking(api, key="") as (provider, server):
        with pytest.raises(InvalidCredentials):
            await provider.submit(upload(provider, call()))
        with pytest.raises(InvalidCredentials):
            await provider.progress("batch_1")
    assert server.requests == []


@pytest.mark.threat("S8")
async def test_a_key_goes_to_no_address_that_the_provider_names(api: Api) -> None:
    async with speaking(api) as (provider, server):
        remote_id = await provider.submit(upload(provider, call()))
        await read(provider, remote_id)  # the server names another host for its results
        server.polls = [Script(status=307, headers={"Location": "https://elsewhere.example.com/"})]
        with pytest.raises(GatewayError):
            await provider.progress(remote_id)


@pytest.mark.parametrize("line", [b"[]\n", b'{"custom_id": 3}\n', b"{\n", b"\xff\n"])
async def test_a_line_that_is_no_result_is_a_broken_file(api: Api, line: bytes) -> None:
    async with speaking(api) as (provider, server):
        remote_id = await provider.submit(upload(provider, call()))
        server.results = lambda lines: Script((line,), content_type="application/json")  # type: ignore[method-assign]
        with pytest.raises(ProviderError):
            await read(provider, remote_id)


async def test_a_result_of_another_shape_fails_by_itself(api: Api) -> None:
    bad: dict[str, Any] = {"custom_id": "x", "response": {"status_code": 200, "body": {}}}
    bad["result"] = {"type": "succeeded", "message": {}}
    async with speaking(api) as (provider, server):
        remote_id = await provider.submit(upload(provider, call()))
        line = json.dumps(bad).encode() + b"\n"
        server.results = lambda lines: Script((line,), content_type="application/json")  # type: ignore[method-assign]
        [result] = [each async for each in provider.results(remote_id, Progress(Remote.COMPLETED, 1, ("output-1",)))]
    assert isinstance(result.error, StreamBroken)
