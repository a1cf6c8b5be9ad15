"""A candidate with several keys: the next where the provider does not take the first.

Stands inside of the circuit and the retries: while one key is taken, the model is well, and a bad key is
never a reason to ask the same one again. Nothing is tried again after the first event.

Errors leave without the frames below: those hold the key, and a page or report that shows the variables of
a traceback would show it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from gateway.base import Candidate, Embedder
from gateway.credentials.ring import OTHER_KEY_MAY_DO, Round
from gateway.credentials.secret import Credential
from gateway.errors import GatewayError
from gateway.profiles import EmbeddingProfile, ModelProfile
from gateway.types import Call, EmbeddingCall, StreamEvent, Trace, Usage


class Keyed:
    """`attempt` makes the candidate that uses one key, and is told whether another is ready; `begin` starts
    a round through the keys."""

    def __init__(
        self, profile: ModelProfile, begin: Callable[[], Round], attempt: Callable[[Credential, bool], Candidate]
    ) -> None:
        self.name, self.profile = profile.provider, profile
        self._begin, self._attempt = begin, attempt

    async def stream(self, call: Call, trace: Trace) -> AsyncGenerator[StreamEvent, None]:
        keys = self._begin()
        last: GatewayError | None = None
        while (credential := await keys.next()) is not None:
            _note_passed_over(trace, self.profile.id, last)
            begun = False
            try:
                async with aclosing(self._attempt(credential, keys.more).stream(call, trace)) as events:
                    async for event in events:
                        if not begun:
                            begun = True
                            keys.taken()
                        yield event
                return
            except GatewayError as error:
                keys.refused(credential, error)
                if begun or not isinstance(error, OTHER_KEY_MAY_DO):
                    raise error.with_traceback(None)  # noqa: B904
                last = error
        assert last is not None, "the first of a round is a key or an error"
        raise last.with_traceback(None)


class KeyedEmbedder:
    """The same for vectors."""

    def __init__(
        self,
        profile: EmbeddingProfile,
        begin: Callable[[], Round],
        attempt: Callable[[Credential, bool], Embedder],
        trace: Trace,
    ) -> None:
        self.name, self.profile = profile.provider, profile
        self._begin, self._attempt, self._trace = begin, attempt, trace

    async def embed(self, call: EmbeddingCall) -> tuple[list[list[float]], Usage]:
        keys = self._begin()
        last: GatewayError | None = None
        while (credential := await keys.next()) is not None:
            _note_passed_over(self._trace, self.profile.id, last)
            try:
                found = await self._attempt(credential, keys.more).embed(call)
            except GatewayError as error:
                keys.refused(credential, error)
                if not isinstance(error, OTHER_KEY_MAY_DO):
                    raise error.with_traceback(None)  # noqa: B904
                last = error
            else:
                keys.taken()
                return found
        assert last is not None, "the first of a round is a key or an error"
        raise last.with_traceback(None)


def _note_passed_over(trace: Trace, model: str, error: GatewayError | None) -> None:
    """For the record: the same model was asked again, with another key."""
    if error is not None:
        trace.attempts.append({"model": model, "error": error.code, "because": "key"})
