"""Embeddings by an API: in batches that it takes, in order, of the size that was asked for.

What differs between APIs is `_ask`: one batch of texts to its vectors and the tokens that were
counted, None where the API counts none.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, Literal

from gateway.errors import InvalidCredentials, StreamBroken, WrongDimensions
from gateway.profiles import EmbeddingProfile
from gateway.providers.aws import AWS_RULES, Aws, AwsAccess, aws_errors
from gateway.providers.errors import RULES, Rules, translated
from gateway.providers.exchange import http_client, one_timeout_client, require_key
from gateway.providers.gemini import GEMINI_RULES, GEMINI_URL, gemini_client, gemini_error
from gateway.providers.mistral import MISTRAL_RULES, MISTRAL_URL, mistral_client, mistral_errors
from gateway.providers.openai_chat import OPENAI_URL, openai_error
from gateway.types import EmbeddingCall, Usage

TIMEOUT = 60.0  # seconds for one batch
BYTES_PER_TOKEN = 3  # fewer than tokenizers need for prose, so that no batch is too large
Kind = Literal["query", "passage"]
Answer = tuple[list[list[float]], int | None]
Roots = type[Exception] | tuple[type[Exception], ...]


class HostedEmbedder:
    """What all of them share; `rules` and `_roots` are of the SDK's errors."""

    name = ""
    rules: Rules = RULES

    def __init__(self, profile: EmbeddingProfile, *, key: str = "", url: str = "") -> None:
        self.profile = profile
        self._key, self._url = key, url

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.profile.id!r})"

    async def embed(self, call: EmbeddingCall) -> tuple[list[list[float]], Usage]:
        vectors: list[list[float]] = []
        counted, estimated = 0, False
        for texts in batches(call.texts, self.profile):
            with translated(self._roots(), self._key, self.rules):
                found, tokens = await self._answer(texts, call.kind)
            vectors += checked(found, len(texts), self.profile)
            counted += _tokens(texts) if tokens is None else tokens
            estimated = estimated or tokens is None
        return vectors, Usage(input_tokens=counted, estimated=estimated)

    async def aclose(self) -> None:
        if "_http" in self.__dict__:
            await self._http.aclose()

    @cached_property
    def _http(self) -> Any:
        return one_timeout_client()

    def _roots(self) -> Roots:
        raise NotImplementedError

    async def _ask(self, texts: list[str], kind: Kind) -> Answer:
        raise NotImplementedError

    async def _answer(self, texts: list[str], kind: Kind) -> Answer:
        try:
            return await self._ask(texts, kind)
        except (AttributeError, KeyError, TypeError) as error:
            raise StreamBroken("the answer does not have the shape of its API") from error


class OpenAIEmbedder(HostedEmbedder):
    name = "openai"

    def _roots(self) -> Roots:
        return openai_error()

    @cached_property
    def _http(self) -> Any:
        return http_client()

    @cached_property
    def _client(self) -> Any:
        from openai import AsyncOpenAI

        return AsyncOpenAI(
            api_key=self._key, base_url=self._url or OPENAI_URL, max_retries=0, timeout=TIMEOUT, http_client=self._http
        )

    async def _ask(self, texts: list[str], kind: Kind) -> Answer:
        require_key(self._key, "OPENAI_API_KEY")
        found = await self._client.embeddings.create(
            model=self.profile.model, input=texts, dimensions=self.profile.dimensions, encoding_format="float"
        )
        rows = sorted(found.data, key=lambda row: row.index)
        return [row.embedding for row in rows], found.usage.prompt_tokens if found.usage else None


class GeminiEmbedder(HostedEmbedder):
    name = "gemini"
    rules = GEMINI_RULES
    _tasks = {"query": "RETRIEVAL_QUERY", "passage": "RETRIEVAL_DOCUMENT"}

    def _roots(self) -> Roots:
        return gemini_error()

    @cached_property
    def _client(self) -> Any:
        return gemini_client(self._key, self._url or GEMINI_URL, self._http)

    async def _ask(self, texts: list[str], kind: Kind) -> Answer:
        require_key(self._key, "GEMINI_API_KEY")
        config = {
            "task_type": self._tasks[kind],
            "output_dimensionality": self.profile.dimensions,
            "http_options": {"timeout": int(TIMEOUT * 1000)},
        }
        found = await self._client.aio.models.embed_content(model=self.profile.model, contents=texts, config=config)
        return [row.values for row in found.embeddings or ()], None


class MistralEmbedder(HostedEmbedder):
    name = "mistral"
    rules = MISTRAL_RULES

    def _roots(self) -> Roots:
        return mistral_errors()

    @cached_property
    def _client(self) -> Any:
        return mistral_client(self._key, self._url or MISTRAL_URL, self._http)

    async def _ask(self, texts: list[str], kind: Kind) -> Answer:
        require_key(self._key, "MISTRAL_API_KEY")
        found = await self._client.embeddings.create_async(
            model=self.profile.model, inputs=texts, timeout_ms=int(TIMEOUT * 1000)
        )
        rows = sorted(found.data, key=lambda row: row.index or 0)
        return [row.embedding for row in rows], found.usage.prompt_tokens or None


class BedrockEmbedder(HostedEmbedder):
    """Amazon's Titan, one text at a time, and Cohere's Embed; which of them, the model's name says."""

    name = "bedrock"
    rules = AWS_RULES
    _inputs = {"query": "search_query", "passage": "search_document"}

    def __init__(self, profile: EmbeddingProfile, *, access: AwsAccess) -> None:
        super().__init__(profile, key=access.secret)
        self._access, self._aws = access, Aws(access)

    def _roots(self) -> Roots:
        return aws_errors()

    async def aclose(self) -> None:
        await self._aws.aclose()

    async def _ask(self, texts: list[str], kind: Kind) -> Answer:
        if not self._access.region:
            raise InvalidCredentials("CITEDESK_BEDROCK_REGION is not set")
        if "cohere." in self.profile.model:
            body = {"texts": texts, "input_type": self._inputs[kind], "embedding_types": ["float"]}
            found, counted = await self._invoke(body)
            return found["embeddings"]["float"], counted
        found, _counted = await self._invoke(
            {"inputText": texts[0], "dimensions": self.profile.dimensions, "normalize": True}
        )
        return [found["embedding"]], found["inputTextTokenCount"]

    async def _invoke(self, body: dict[str, Any]) -> tuple[dict[str, Any], int | None]:
        import httpx2

        parameters = {"modelId": self.profile.model, "body": json.dumps(body), "contentType": "application/json"}
        response = await self._aws.request("invoke_model", parameters, httpx2.Timeout(TIMEOUT))
        try:
            counted = response.headers.get("x-amzn-bedrock-input-token-count", "")
            return json.loads(await response.aread()), int(counted) if counted.isdecimal() else None
        finally:
            await response.aclose()


def batches(texts: Sequence[str], profile: EmbeddingProfile) -> Iterator[list[str]]:
    """The texts in order, in pieces that one request may hold; a text by itself is never split."""
    batch: list[str] = []
    held = 0
    for text in texts:
        size = min(_tokens([text]), profile.max_tokens)
        if batch and (len(batch) == profile.batch or held + size > profile.batch_tokens):
            yield batch
            batch, held = [], 0
        batch.append(text)
        held += size
    if batch:
        yield batch


def checked(vectors: list[list[float]], texts: int, profile: EmbeddingProfile) -> list[list[float]]:
    """The vectors at length 1. Raises `WrongDimensions`, and `StreamBroken` where their number is wrong."""
    if len(vectors) != texts:
        raise StreamBroken(f"{profile.model} gave {len(vectors)} vectors for {texts} texts")
    for vector in vectors:
        if len(vector) != profile.dimensions:
            raise WrongDimensions(f"{profile.model} gives {len(vector)} dimensions, not {profile.dimensions}")
    return [_unit(vector) for vector in vectors]


def _unit(vector: list[float]) -> list[float]:
    length = math.sqrt(math.fsum(value * value for value in vector))
    if not length or not math.isfinite(length):
        raise StreamBroken("the provider gave a vector without a direction")
    return [value / length for value in vector]


def _tokens(texts: Sequence[str]) -> int:
    return sum(-(-len(text.encode("utf-8", "surrogatepass")) // BYTES_PER_TOKEN) for text in texts)
