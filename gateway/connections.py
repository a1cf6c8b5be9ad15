"""The open providers: one per event loop and model, because an SDK's client belongs to its loop."""

from __future__ import annotations

import asyncio
import os
import threading
import weakref
from collections.abc import Coroutine
from concurrent.futures import Future
from dataclasses import dataclass, field, fields
from functools import cache
from typing import Any, TypeVar

from gateway import registry
from gateway.base import EmbeddingProvider, Provider
from gateway.conf import GatewaySettings, configured
from gateway.likeness import best_likeness
from gateway.profiles import EmbeddingProfile, ModelProfile, embedding_profile
from gateway.providers.batching.base import BatchProvider
from gateway.types import Caller, EmbeddingCall

T = TypeVar("T")


@dataclass
class _Open:
    """What one loop has open. Other settings are other connections: tests change them."""

    completion: dict[tuple[GatewaySettings, ModelProfile], Provider] = field(default_factory=dict)
    batches: dict[tuple[GatewaySettings, ModelProfile], BatchProvider] = field(default_factory=dict)
    embedding: dict[tuple[GatewaySettings, EmbeddingProfile], EmbeddingProvider] = field(default_factory=dict)


_by_loop: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Open] = weakref.WeakKeyDictionary()


def provider(profile: ModelProfile) -> Provider:
    """The running loop's provider for this model. Raises `GatewayError` where it lacks a key."""
    opened, key = _opened(), (configured(), profile)
    if key not in opened.completion:
        opened.completion[key] = registry.make(profile, _settings())
    return opened.completion[key]


def embedding_provider(profile: EmbeddingProfile) -> EmbeddingProvider:
    """The running loop's provider for this embedding model."""
    opened, key = _opened(), (configured(), profile)
    if key not in opened.embedding:
        opened.embedding[key] = registry.make_embedding(profile, _settings())
    return opened.embedding[key]


def batch_provider(profile: ModelProfile) -> BatchProvider:
    """The running loop's provider for batches of this model. Raises `GatewayError`."""
    opened, key = _opened(), (configured(), profile)
    if key not in opened.batches:
        opened.batches[key] = registry.make_batch(profile, _settings())
    return opened.batches[key]


async def close() -> None:
    """Closes what the running loop has open; for an orderly end of the process."""
    opened = _by_loop.pop(asyncio.get_running_loop(), _Open())
    for each in opened.completion.values():
        await each.aclose()
    for batcher in opened.batches.values():
        await batcher.aclose()
    for embedder in opened.embedding.values():
        await embedder.aclose()


def warm_up() -> Future[None]:
    """Loads the local embedding model and its words in the background, so that the first question finds
    them, and no event loop that serves waits for the disk."""
    return asyncio.run_coroutine_threadsafe(_warmed(), _background_loop(os.getpid()))


async def _warmed() -> None:
    await _embed_unaudited(["warm"])
    await asyncio.to_thread(best_likeness, ["warm"], ["cold"])


def run_in_background(work: Coroutine[Any, Any, T]) -> T:
    """Runs `work` on the event loop that this process keeps for synchronous callers. Not from
    within that loop: it would wait for itself."""
    return asyncio.run_coroutine_threadsafe(work, _background_loop(os.getpid())).result()


@cache
def _background_loop(_process: int) -> asyncio.AbstractEventLoop:
    """One for each process: a worker that was forked must not wait on a thread left behind."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="citedesk-gateway", daemon=True).start()
    return loop


def _opened() -> _Open:
    return _by_loop.setdefault(asyncio.get_running_loop(), _Open())


async def _embed_unaudited(texts: list[str]) -> list[list[float]]:
    """For the extractive provider, whose comparing of sentences is part of one audited call."""
    local = embedding_provider(embedding_profile(configured().embedding_model))
    vectors, _usage = await local.embed(EmbeddingCall(caller=Caller(tenant_id=0), texts=tuple(texts)))
    return vectors


def _settings() -> registry.ProviderSettings:
    """The settings of the same names. `embed` is the gateway's own."""
    conf = configured()
    named = [each.name for each in fields(registry.ProviderSettings) if each.name != "embed"]
    return registry.ProviderSettings(**{name: getattr(conf, name) for name in named}, embed=_embed_unaudited)
