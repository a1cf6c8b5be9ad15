"""What another service gives, kept until it has to be fetched again.

Requests wait for the service only where there is nothing usable yet: otherwise a thread fetches the next
in time, while the last is still good. A service that fails is not asked by every request: it has a pause,
longer each time.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import monotonic

from gateway.credentials.secret import Credential
from gateway.errors import ProviderError

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0  # seconds after a failure
AFTER_A_REFUSAL = 5.0  # seconds until a service is asked once more for a newer one
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Fetched:
    """Good for `lasts` seconds; the next is looked for after `renew_after`."""

    credentials: tuple[Credential, ...]
    renew_after: float
    lasts: float = float("inf")


def short_lived(credential: Credential, lifetime: float) -> Fetched:
    """A token: renewed ten minutes before its end, or at its half, and not used in its last seconds."""
    return Fetched((credential,), lifetime - min(600.0, lifetime / 2), lifetime - min(30.0, lifetime / 10))


@functools.cache
def _threads(_process: int) -> ThreadPoolExecutor:
    """Of their own, so that a service that hangs holds up nobody else's work in threads."""
    return ThreadPoolExecutor(4, thread_name_prefix="citedesk-credentials")


class Kept:
    """`fetch` blocks, and raises `ProviderError`. `name` is for people."""

    def __init__(self, name: str, fetch: Callable[[], Fetched]) -> None:
        self._name, self._fetch = name, fetch
        self._lock = threading.Lock()  # one thread fetches; the others wait for what it brings
        self._held: tuple[Credential, ...] = ()
        self._renew_at = self._ends_at = self._rest_until = self._asked_at = 0.0
        self._pause = FIRST_PAUSE
        self._error: ProviderError | None = None
        self._refused: set[Credential] = set()
        self._renewing = False

    async def current(self) -> Sequence[Credential]:
        now = monotonic()
        if not self._usable(now):
            await asyncio.get_running_loop().run_in_executor(_threads(os.getpid()), self._obtain)
        elif now >= max(self._renew_at, self._rest_until) and not self._renewing:
            self._renewing = True
            threading.Thread(target=self._renew, name="citedesk-credentials", daemon=True).start()
        return self._held

    def refused(self, credential: Credential) -> None:
        """What the provider does not take any more is fetched again before it is used again."""
        if credential in self._held:
            self._refused.add(credential)

    def _usable(self, now: float) -> bool:
        if not self._held or now >= self._ends_at:
            return False
        return not self._refused.issuperset(self._held) or now < self._asked_at + AFTER_A_REFUSAL

    def _obtain(self) -> None:
        with self._lock:
            now = monotonic()
            if self._usable(now):
                return
            if self._error is not None and now < self._rest_until:
                raise type(self._error)(self._error.detail)
            self._ask()

    def _renew(self) -> None:
        try:
            with self._lock:
                self._ask()
        except ProviderError as error:
            logger.warning("%s could not be renewed and stays as it is: %s", self._name, error.code)
        finally:
            self._renewing = False

    def _ask(self) -> None:
        self._asked_at = monotonic()
        try:
            fetched = self._fetch()
        except ProviderError as error:
            self._error = error
            self._rest_until = monotonic() + self._pause
            self._pause = min(2 * self._pause, LONGEST_PAUSE)
            raise
        now = monotonic()
        if fetched.credentials != self._held and self._held:
            logger.info("%s was renewed", self._name)
        self._refused &= set(fetched.credentials)
        self._held, self._error, self._pause = fetched.credentials, None, FIRST_PAUSE
        self._renew_at, self._ends_at, self._rest_until = now + fetched.renew_after, now + fetched.lasts, 0.0
