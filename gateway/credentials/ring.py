"""Which keys of a provider are left alone for now, and which a call tries next.

A key that the provider calls invalid is set aside, so that a revoked one costs one request and not one with
each call (V10); so is one whose account is empty. One that was asked to wait gives way to the next until
then. Known to one event loop: others learn it by one request each.

Does not catch: a key that lacks one right alone. A 403 may be about a single text, so the key is set aside
only after another one was taken for the same call.
"""

from __future__ import annotations

import asyncio
import logging

from gateway.credentials.secret import Credential
from gateway.credentials.source import CredentialSource
from gateway.errors import GatewayError, InvalidCredentials, LimitExceeded, QuotaExhausted, RateLimited

SET_ASIDE = 300.0  # seconds
AFTER_A_REFUSAL = 1.0  # seconds, where the provider does not say how long to wait
MOST_REMEMBERED = 1000  # keys of one event loop, before those are forgotten whose time is over
OTHER_KEY_MAY_DO = (InvalidCredentials, QuotaExhausted, RateLimited, LimitExceeded)
logger = logging.getLogger(__name__)


class Ring:
    """What one event loop knows of its keys."""

    def __init__(self) -> None:
        self._aside: dict[tuple[str, Credential], float] = {}
        self._resting: dict[tuple[str, Credential], float] = {}

    def set_aside(self, provider: str, credential: Credential) -> None:
        if not self.aside(provider, credential):
            logger.warning("%s is not valid at %s and is set aside for %d s", credential.name, provider, SET_ASIDE)
        _until(self._aside, provider, credential, SET_ASIDE)

    def rest(self, provider: str, credential: Credential, seconds: float) -> None:
        _until(self._resting, provider, credential, seconds)

    def aside(self, provider: str, credential: Credential) -> float:
        """Seconds that it is still left alone."""
        return _left(self._aside, provider, credential)

    def resting(self, provider: str, credential: Credential) -> float:
        """Seconds until it need not give way to others."""
        return _left(self._resting, provider, credential)


class Round:
    """The keys of one call, each at most once."""

    def __init__(self, provider: str, source: CredentialSource, ring: Ring) -> None:
        self._provider, self._source, self._ring = provider, source, ring
        self._tried: list[Credential] = []
        self._doubtful: list[Credential] = []
        self.more = False  # whether another is ready, should this one not do

    async def next(self) -> Credential | None:
        """None when each that may be tried was. Raises `InvalidCredentials` where none may be at all, and what
        the source raises."""
        held = await self._source.current()
        waits = [self._ring.aside(self._provider, each) for each in held]
        open_ = [each for each, wait in zip(held, waits, strict=True) if not wait and each not in self._tried]
        ready = [each for each in open_ if not self._ring.resting(self._provider, each)]
        if not (ready or open_) and not self._tried:
            soonest = f"; in {min(waits):.0f} s it is tried again" if waits else ""
            raise InvalidCredentials(f"every key of {self._provider} was refused and is set aside{soonest}")
        self.more = len(ready) > 1
        if ready:
            found = ready[0]
        elif open_ and not self._tried:  # all have to wait: the one that may go first
            found = min(open_, key=lambda each: self._ring.resting(self._provider, each))
        else:
            return None
        self._tried.append(found)
        return found

    def refused(self, credential: Credential, error: GatewayError) -> None:
        """Why the key did not do."""
        if isinstance(error, InvalidCredentials):
            if error.revoked:
                self._ring.set_aside(self._provider, credential)
                self._source.refused(credential)
            else:
                self._doubtful.append(credential)
        elif isinstance(error, QuotaExhausted):
            self._doubtful.append(credential)
        elif isinstance(error, RateLimited | LimitExceeded):
            wait = error.retry_after
            self._ring.rest(self._provider, credential, AFTER_A_REFUSAL if wait is None else wait)

    def taken(self) -> None:
        """Another key did: those before it are at fault, and not what was sent."""
        for each in self._doubtful:
            self._ring.set_aside(self._provider, each)
        self._doubtful.clear()


def _until(times: dict[tuple[str, Credential], float], provider: str, credential: Credential, seconds: float) -> None:
    now = asyncio.get_running_loop().time()
    if len(times) >= MOST_REMEMBERED:
        for key in [key for key, until in times.items() if until <= now]:
            del times[key]
    times[provider, credential] = max(times.get((provider, credential), 0.0), now + seconds)


def _left(times: dict[tuple[str, Credential], float], provider: str, credential: Credential) -> float:
    return max(0.0, times.get((provider, credential), 0.0) - asyncio.get_running_loop().time())
