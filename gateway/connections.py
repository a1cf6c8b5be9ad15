"""The open providers: one per event loop, model and key, because an SDK's client belongs to its loop. Those
whose key is no longer used are closed after a while: short-lived tokens would pile up."""

from __future__ import annotations

import asyncio
import os
import threading
import weakref
from collections.abc import Coroutine
from concurrent.futures import Future
from dataclasses import dataclass, field, fields
from functools import cache, lru_cache, partial
from typing import Any, TypeVar

from gateway import registry
from gateway.base import EmbeddingProvider, Provider
from gateway.conf import GatewaySettings, configured
from gateway.credentials.keyed import KeyedEmbedder
from gateway.credentials.ring import Ring, Round
from gateway.credentials.secret import NO_KEY, Credential
from gateway.credentials.source import CredentialSource, Origin
from gateway.likeness import best_likeness
from gateway.profiles import EmbeddingProfile, ModelProfile, embedding_profile
from gateway.providers.batching.base import BatchProvider
from gateway.types import Caller, EmbeddingCall, Trace

IDLE = 3600.0  # seconds, longer than any call, after which a connection that nobody uses is closed
OURS = frozenset({"credential", "embed"})  # fields of the adapters' settings that are not of the gateway's
T = TypeVar("T")
Key = tuple[GatewaySettings, ModelProfile | EmbeddingProfile, Credential]


@dataclass
class _Open:
    """What one loop has open. Other settings are other connections: tests change them."""

    completion: dict[Key, Provider] = field(default_factory=dict)
    embedding: dict[Key, EmbeddingProvider] = field(default_factory=dict)
    batches: dict[Key, BatchProvider] = field(default_factory=dict)
    used_at: dict[Key, float] = field(default_factory=dict)
    rings: dict[GatewaySettings, Ring] = field(default_factory=dict)
    closing: set[asyncio.Task[None]] = field(default_factory=set)


_by_loop: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Open] = weakref.WeakKeyDictionary()


def provider(profile: ModelProfile, credential: Credential = NO_KEY) -> Provider:
    """The running loop's provider for this model and key."""
    key = _used(profile, credential)
    opened = _opened().completion
    if key not in opened:
        opened[key] = registry.make(profile, _settings(credential))
    return opened[key]


def embedding_provider(profile: EmbeddingProfile, credential: Credential = NO_KEY) -> EmbeddingProvider:
    """The running loop's provider for this embedding model and key."""
    key = _used(profile, credential)
    opened = _opened().embedding
    if key not in opened:
        opened[key] = registry.make_embedding(profile, _settings(credential))
    return opened[key]


def keys(profile: ModelProfile | EmbeddingProfile) -> Round:
    """A round through the keys of the model's provider."""
    source = _source(configured().origin(profile.provider), os.getpid())
    return Round(profile.provider, source, _opened().rings.setdefault(configured(), Ring()))


def batch_provider(profile: ModelProfile, credential: Credential = NO_KEY) -> BatchProvider:
    """The running loop's provider for batches of this model with this key; without one, it only writes lines."""
    key = _used(profile, credential)
    opened = _opened().batches
    if key not in opened:
        opened[key] = registry.make_batch(profile, _settings(credential))
    return opened[key]


async def keyed_batch_provider(profile: ModelProfile) -> BatchProvider:
    """With the first key that is not set aside: what one key submitted, another of the same account can
    follow. Raises `InvalidCredentials` where there is none, and what the keys' source raises."""
    return batch_provider(profile, await keys(profile).next() or NO_KEY)


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


@lru_cache(maxsize=64)
def _source(origin: Origin, _process: int) -> CredentialSource:
    """One for each process, shared by its loops: what was fetched once serves all."""
    return origin.open()


def _used(profile: ModelProfile | EmbeddingProfile, credential: Credential) -> Key:
    """Notes the use; and at a first one, closes what had none for long."""
    key, opened, now = (configured(), profile, credential), _opened(), asyncio.get_running_loop().time()
    if key not in opened.used_at:
        for each in [each for each, at in opened.used_at.items() if at < now - IDLE]:
            del opened.used_at[each]
            for held in (opened.completion, opened.embedding, opened.batches):
                idle = held.pop(each, None)
                if idle is not None:
                    task = asyncio.get_running_loop().create_task(_close(idle))
                    opened.closing.add(task)
                    task.add_done_callback(opened.closing.discard)
    opened.used_at[key] = now
    return key


async def _close(idle: Provider | EmbeddingProvider | BatchProvider) -> None:
    await idle.aclose()


def _opened() -> _Open:
    return _by_loop.setdefault(asyncio.get_running_loop(), _Open())


async def _embed_unaudited(texts: list[str]) -> list[list[float]]:
    """For the extractive provider, whose comparing of sentences is part of one audited call."""
    profile = embedding_profile(configured().embedding_model)
    keyed = KeyedEmbedder(
        profile, partial(keys, profile), lambda credential, _hurried: embedding_provider(profile, credential), Trace()
    )
    vectors, _usage = await keyed.embed(EmbeddingCall(caller=Caller(tenant_id=0), texts=tuple(texts)))
    return vectors


def _settings(credential: Credential) -> registry.ProviderSettings:
    """The settings of the same names. `embed` is the gateway's own."""
    conf = configured()
    named = {each.name for each in fields(registry.ProviderSettings)} - OURS
    given = {name: getattr(conf, name) for name in named}
    return registry.ProviderSettings(**given, credential=credential, embed=_embed_unaudited)
