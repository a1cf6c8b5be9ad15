"""What every embedder owes: vectors in order, of the right size, at length 1, in requests that fit."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from gateway.errors import InvalidCredentials, Overloaded, ProviderError, RateLimited, StreamBroken, WrongDimensions
from gateway.profiles import EmbeddingProfile, embedding_profile, embedding_profiles
from gateway.providers.aws import AwsAccess
from gateway.providers.embedding import (
    BedrockEmbedder,
    GeminiEmbedder,
    HostedEmbedder,
    MistralEmbedder,
    OpenAIEmbedder,
    batches,
)
from gateway.registry import EMBEDDERS
from gateway.types import Caller, EmbeddingCall, Usage
from tests.servers.wire import Request, Script, failure, serving

KEY = "sk-test-0123456789abcdefghij"


@dataclass(frozen=True)
class Case:
    """`texts` reads the texts of a request; `answer` gives a body for their vectors; `kind` reads what
    they are said to be for, where the API asks."""

    name: str
    profile: EmbeddingProfile
    make: Callable[[EmbeddingProfile, str], HostedEmbedder]
    texts: Callable[[dict[str, Any]], list[str]]
    answer: Callable[[list[list[float]]], dict[str, Any]]
    kind: Callable[[dict[str, Any]], str] | None = None
    counts: bool = True

    def __str__(self) -> str:
        return self.name


def profile(name: str, batch: int) -> EmbeddingProfile:
    return dataclasses.replace(embedding_profile(name), dimensions=2, batch=batch)


def bedrock(model: EmbeddingProfile, url: str) -> HostedEmbedder:
    return BedrockEmbedder(model, access=AwsAccess("eu-central-1", url, "AKIATEST", KEY))


def _openai_body(vectors: list[list[float]]) -> dict[str, Any]:
    """Out of order, as an API may answer."""
    rows = [{"object": "embedding", "index": at, "embedding": each} for at, each in enumerate(vectors)]
    usage = {"prompt_tokens": 5 * len(vectors), "total_tokens": 5 * len(vectors), "completion_tokens": 0}
    return {"id": "e1", "object": "list", "data": rows[::-1], "model": "m", "usage": usage}


CASES = [
    Case(
        "openai",
        profile("text-embedding-3-small", 2),
        lambda model, url: OpenAIEmbedder(model, key=KEY, url=f"{url}/v1"),
        lambda body: body["input"],
        _openai_body,
    ),
    Case(
        "gemini",
        profile("gemini-embedding-001", 2),
        lambda model, url: GeminiEmbedder(model, key=KEY, url=url),
        lambda body: [each["content"]["parts"][0]["text"] for each in body["requests"]],
        lambda vectors: {"embeddings": [{"values": each} for each in vectors]},
        kind=lambda body: {"RETRIEVAL_QUERY": "query"}.get(body["requests"][0]["taskType"], "passage"),
        counts=False,
    ),
    Case(
        "mistral",
        profile("mistral-embed", 2),
        lambda model, url: MistralEmbedder(model, key=KEY, url=url),
        lambda body: body["input"],
        _openai_body,
    ),
    Case(
        "bedrock-titan",
        profile("bedrock-titan-embed-v2", 1),
        bedrock,
        lambda body: [body["inputText"]],
        lambda vectors: {"embedding": vectors[0], "inputTextTokenCount": 5},
    ),
    Case(
        "bedrock-cohere",
        profile("bedrock-cohere-embed-v3", 2),
        bedrock,
        lambda body: body["texts"],
        lambda vectors: {"id": "1", "embeddings": {"float": vectors}, "response_type": "embeddings_by_type"},
        kind=lambda body: {"search_query": "query"}.get(body["input_type"], "passage"),
        counts=False,
    ),
]
each_case = pytest.mark.parametrize("case", CASES, ids=str)


def vector(text: str) -> list[float]:
    """One that tells the text: an angle by its number, of length 3."""
    return [3 * math.cos(int(text) / 10), 3 * math.sin(int(text) / 10)]


def body(content: dict[str, Any]) -> Script:
    return Script((json.dumps(content).encode(),), content_type="application/json")


async def embed(
    case: Case, respond: Callable[[Request], Script] | Script, texts: int = 5, kind: Any = "passage"
) -> tuple[list[list[float]], Usage, list[Request]]:
    async with serving(respond) as server:
        embedder = case.make(case.profile, server.url)
        try:
            asked = EmbeddingCall(Caller(1), tuple(str(number) for number in range(texts)), kind=kind)
            return *await embedder.embed(asked), server.requests
        finally:
            await embedder.aclose()


@each_case
async def test_vectors_come_in_order_at_length_one_in_batches_that_fit(case: Case) -> None:
    def respond(request: Request) -> Script:
        return body(case.answer([vector(text) for text in case.texts(request.body)]))

    vectors, usage, requests = await embed(case, respond)
    for number, found in enumerate(vectors):
        assert found == pytest.approx([each / 3 for each in vector(str(number))])
    assert [len(case.texts(each.body)) for each in requests] == ([1] * 5 if case.profile.batch == 1 else [2, 2, 1])
    assert usage == (Usage(input_tokens=25) if case.counts else Usage(input_tokens=5, estimated=True))


@pytest.mark.parametrize("case", [each for each in CASES if each.kind], ids=str)
@pytest.mark.parametrize("kind", ["query", "passage"])
async def test_a_question_is_told_from_a_passage(case: Case, kind: str) -> None:
    _vectors, _usage, (request,) = await embed(case, body(case.answer([[1.0, 0.0]])), 1, kind)
    assert case.kind is not None
    assert case.kind(request.body) == kind


@each_case
async def test_vectors_of_another_size_never_reach_the_index(case: Case) -> None:
    with pytest.raises(WrongDimensions, match="gives 3 dimensions, not 2"):
        await embed(case, body(case.answer([[1.0, 0.0, 0.0]])), 1)


@pytest.mark.parametrize("case", [each for each in CASES if each.profile.batch > 1], ids=str)
async def test_too_few_vectors_are_an_error(case: Case) -> None:
    with pytest.raises(StreamBroken, match="1 vectors for 2 texts"):
        await embed(case, body(case.answer([[1.0, 0.0]])), 2)


@each_case
@pytest.mark.parametrize("answer", ["{}", "[]", "7", "{", "null"])
async def test_an_answer_that_cannot_be_read_is_an_error_of_ours(case: Case, answer: str) -> None:
    with pytest.raises(ProviderError) as caught:
        await embed(case, Script((answer.encode(),), content_type="application/json"), 1)
    assert caught.value.code in {"stream_broken", "invalid_request"}


@each_case
async def test_an_error_is_translated(case: Case) -> None:
    with pytest.raises(Overloaded):
        await embed(case, failure(503, {"message": "busy"}), 1)
    with pytest.raises(RateLimited):
        await embed(case, failure(429, {"message": "slow down", "error": {"status": "RESOURCE_EXHAUSTED"}}), 1)


@pytest.mark.threat("V10")
@pytest.mark.parametrize("make", [OpenAIEmbedder, GeminiEmbedder, MistralEmbedder])
async def test_without_a_key_nothing_is_sent(make: type[HostedEmbedder]) -> None:
    with pytest.raises(InvalidCredentials, match="_API_KEY is not set"):
        await make(CASES[0].profile).embed(EmbeddingCall(Caller(1), ("1",)))


def test_a_batch_holds_no_more_tokens_than_a_request_may() -> None:
    small = dataclasses.replace(embedding_profile("mistral-embed"), batch=10, batch_tokens=10, max_tokens=8)
    assert [len(each) for each in batches(["x" * 12, "x" * 12, "x" * 12, "x" * 900, "x"], small)] == [2, 1, 2]
    assert list(batches([], small)) == []


def test_every_embedding_profile_has_an_adapter_and_a_price() -> None:
    assert {each.provider for each in embedding_profiles().values()} == set(EMBEDDERS)
    assert all(each.price is not None for each in embedding_profiles().values())
