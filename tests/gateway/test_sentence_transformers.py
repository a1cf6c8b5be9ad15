"""The packaged embedding model, and what happens when it is not the published one."""

from __future__ import annotations

import dataclasses

import pytest

from gateway.errors import ProviderError, WrongDimensions
from gateway.profiles import embedding_profile
from gateway.providers import sentence_transformers
from gateway.providers.sentence_transformers import SentenceTransformersEmbedder, shared
from gateway.types import Caller, EmbeddingCall

PROFILE = embedding_profile("all-MiniLM-L6-v2")


def dot(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


async def test_vectors_have_length_one_and_keep_the_order() -> None:
    texts = ("How do I cancel my plan?", "Ending a subscription", "The weather in Lisbon", "")
    vectors, usage = await shared(PROFILE).embed(EmbeddingCall(Caller(1), texts))
    assert [len(vector) for vector in vectors] == [384] * 4
    assert all(abs(dot(vector, vector) - 1) < 0.02 for vector in vectors), "as exact as bfloat16 is"
    assert dot(vectors[0], vectors[1]) > dot(vectors[0], vectors[2]) + 0.2
    assert usage.estimated


def test_no_text_is_no_work() -> None:
    assert SentenceTransformersEmbedder(PROFILE).encode([]) == []


def test_text_longer_than_it_reads_is_cut_and_not_refused() -> None:
    (vector,) = shared(PROFILE).encode(["word " * 5000])
    assert len(vector) == 384


def test_another_size_than_the_profile_says_is_refused() -> None:
    wrong = SentenceTransformersEmbedder(dataclasses.replace(PROFILE, dimensions=768))
    with pytest.raises(WrongDimensions, match="384 dimensions, not 768"):
        wrong.encode(["x"])


def test_a_changed_file_is_not_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sentence_transformers, "PACKAGED_SHA256", "0" * 64)
    sentence_transformers.packaged.cache_clear()
    with pytest.raises(ProviderError, match="SHA-256"):
        SentenceTransformersEmbedder(PROFILE).encode(["x"])


def test_a_model_that_is_not_there_is_an_error_of_ours() -> None:
    absent = SentenceTransformersEmbedder(dataclasses.replace(PROFILE, model="./no-such-folder"))
    with pytest.raises(ProviderError, match="cannot be loaded"):
        absent.encode(["x"])
