"""The interface that every provider and every wrapper around one shares.

`Cached(Admitted(Fallback([Redacted(Retrying(Breaking(Keyed(Limited(Metered(Fitted(Timed(provider)))))))), …])))`:
each is a `Streaming`, so that the order can be read in one place (`gateway.client`) and each tested alone. What
stands inside of `Keyed` is made for one key.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Protocol

from gateway.profiles import EmbeddingProfile, ModelProfile
from gateway.types import Call, EmbeddingCall, StreamEvent, Trace, Usage


class Streaming(Protocol):
    """Anything that turns a call into a stream of events.

    The stream ends with exactly one `Finished`, or raises a `GatewayError`. Closing the
    generator (`aclose`) closes the connection to the provider at once.
    """

    def stream(self, call: Call, trace: Trace) -> AsyncGenerator[StreamEvent, None]: ...


class Candidate(Streaming, Protocol):
    """A provider, or a wrapper around one: it speaks for one model."""

    name: str
    profile: ModelProfile


class Provider(Candidate, Protocol):
    """An adapter bound to one model. Translates the SDK's errors at its edge."""

    async def aclose(self) -> None:
        """Releases the connections."""
        ...


class Embedder(Protocol):
    """Turns texts into vectors of `profile.dimensions` floats, normalised to length 1. A provider, or a
    wrapper around one."""

    name: str
    profile: EmbeddingProfile

    async def embed(self, call: EmbeddingCall) -> tuple[list[list[float]], Usage]:
        """One vector for each text, in order. Raises `ProviderError`."""
        ...


class EmbeddingProvider(Embedder, Protocol):
    """An adapter bound to one embedding model."""

    async def aclose(self) -> None:
        """Releases the connections."""
        ...
