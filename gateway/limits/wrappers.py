"""Where a call passes through its limits: once for its tenant and user, and at each attempt for the
provider's key. Limits that are not set and not learnt cost nothing.

Does not catch: a model on this machine, which has no key and whose only limit is the machine.
"""

from __future__ import annotations

import asyncio
import hashlib
import weakref
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing

from gateway.base import Candidate, Embedder, Streaming
from gateway.conf import GatewaySettings, configured
from gateway.credentials.secret import NO_KEY, Credential
from gateway.errors import LimitExceeded, RateLimited
from gateway.limits.learnt import learn
from gateway.limits.line import Line
from gateway.limits.rates import Rates
from gateway.limits.store import PostgresStore, Store, redis_store
from gateway.metering import estimated_embedding, output_limit, prompt_tokens
from gateway.observing import Observer, observing
from gateway.profiles import LOCAL, EmbeddingProfile, ModelProfile
from gateway.routing import policies
from gateway.types import Call, Caller, EmbeddingCall, StreamEvent, Trace, Usage, UsageReport

HURRIED = 1.0  # seconds that a call waits for one key while another is ready
BATCH = frozenset({"index", "evaluate", "batch"})  # purposes that nobody waits for
AFTER_A_REFUSAL = 1.0  # seconds, where the provider does not say
MOST_LINES = 10_000  # of one event loop, before those that nobody needs are forgotten


class _Lines:
    """One event loop's, which share a store. Other settings are other lines: tests change them."""

    def __init__(self, settings: GatewaySettings) -> None:
        self.settings = settings
        self._store: Store = redis_store(settings.redis_url) if settings.redis_url else PostgresStore()
        self._lines: dict[tuple[str, Rates], Line] = {}

    def line(self, key: str, rates: Rates) -> Line:
        """Of these rates: when they change, who waits finishes in the old line, and both take from one store."""
        if (key, rates) not in self._lines:
            if len(self._lines) >= MOST_LINES:
                self._lines = {name: line for name, line in self._lines.items() if not line.idle}
            self._lines[key, rates] = Line(key, rates, self._store)
        return self._lines[key, rates]


_by_loop: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Lines] = weakref.WeakKeyDictionary()


class Admitted:
    """Waits until the tenant and the user, or the API key, may call. Raises `LimitExceeded`."""

    def __init__(self, inner: Streaming) -> None:
        self._inner = inner

    async def stream(self, call: Call, trace: Trace) -> AsyncGenerator[StreamEvent, None]:
        trace.mark("start")
        needed = prompt_tokens(call) + call.options.max_tokens
        lines = _lines_of(call.caller)
        for line in lines:
            await _enter(line, call.caller, needed)
        try:
            async with aclosing(self._inner.stream(call, trace)) as events:
                async for event in events:
                    yield event
        finally:
            for line in lines:
                line.give_back(needed - trace.usage.input_tokens - trace.usage.output_tokens)


class Limited:
    """Waits for the provider's key, and learns from what the provider answers. A key that takes too
    long is an error that the next key or candidate may make good; `hurried` where there is such a key."""

    def __init__(self, inner: Candidate, credential: Credential = NO_KEY, *, hurried: bool = False) -> None:
        self._inner, self._credential, self._hurried = inner, credential, hurried
        self.name, self.profile = inner.name, inner.profile

    async def stream(self, call: Call, trace: Trace) -> AsyncGenerator[StreamEvent, None]:
        line = _line_of_key(self.profile, self._credential)
        if line is None:
            async with aclosing(self._inner.stream(call, trace)) as events:
                async for event in events:
                    yield event
            return
        needed = prompt_tokens(call) + output_limit(call, self.profile)
        await _enter_key(line, call.caller, needed, hurried=self._hurried)
        try:
            async with aclosing(self._inner.stream(call, trace)) as events:
                with observing(_learning(line)):  # the headers come before the first event
                    first = await anext(events)
                yield first
                async for event in events:
                    if isinstance(event, UsageReport):
                        line.give_back(needed - event.usage.input_tokens - event.usage.output_tokens)
                    yield event
        except StopAsyncIteration:  # nothing came at all: the caller sees that its last event is missing
            return
        except RateLimited as error:
            line.block(AFTER_A_REFUSAL if error.retry_after is None else error.retry_after)
            raise


class LimitedEmbedder:
    """Waits for the provider's key before texts are embedded. Raises `LimitExceeded`."""

    def __init__(self, inner: Embedder, credential: Credential, *, hurried: bool = False) -> None:
        self._inner, self._credential, self._hurried = inner, credential, hurried
        self.name, self.profile = inner.name, inner.profile

    async def embed(self, call: EmbeddingCall) -> tuple[list[list[float]], Usage]:
        line = _line_of_key(self.profile, self._credential)
        if line is not None:
            needed = estimated_embedding(call, self.profile).input_tokens
            await _enter_key(line, call.caller, needed, hurried=self._hurried)
        return await self._inner.embed(call)


def _lines_of(caller: Caller) -> list[Line]:
    """The narrower first, so that a user who has to wait takes nothing from the tenant's others."""
    tenant_rates, user_rates = _rates_of(caller.tenant_id)
    found = []
    person = f"key:{caller.api_key_id}" if caller.api_key_id else f"user:{caller.tenant_id}/{caller.user_id}"
    if user_rates and (caller.api_key_id or caller.user_id is not None):
        found.append(_lines().line(person, user_rates))
    if tenant_rates:
        found.append(_lines().line(f"tenant:{caller.tenant_id}", tenant_rates))
    return found


def _rates_of(tenant_id: int) -> tuple[Rates, Rates]:
    """The tenant's and each user's: what the settings allow, or less where the policy says so. The
    router has just read the policy."""
    conf, policy = configured(), policies.remembered(tenant_id)
    if policy is None:
        return conf.tenant_rates, conf.user_rates
    return conf.tenant_rates.within(policy.tenant_rates), conf.user_rates.within(policy.user_rates)


def _line_of_key(profile: ModelProfile | EmbeddingProfile, credential: Credential) -> Line | None:
    """Of the key and the model together, as providers count. The key itself stands nowhere. A short-lived token
    stands for its account, whose line goes on when the token changes."""
    if profile.provider in LOCAL:
        return None
    conf = configured()
    secret = f"{conf.audit_key} {conf.account(profile.provider, credential)}"
    fingerprint = hashlib.sha256(secret.encode()).hexdigest()[:12]
    return _lines().line(f"provider:{profile.provider}/{fingerprint}/{profile.model}", conf.provider_rates)


def _learning(line: Line) -> Observer:
    def note(headers: Mapping[str, str]) -> None:
        line.learn(learn(headers))

    return note


async def _enter(line: Line, caller: Caller, tokens: float, *, most: float = float("inf")) -> None:
    conf, batch = configured(), caller.purpose in BATCH
    patience = min(most, conf.batch_limit_wait if batch else conf.limit_wait)
    await line.enter(tokens, tenant=caller.tenant_id, batch=batch, patience=patience)


async def _enter_key(line: Line, caller: Caller, tokens: float, *, hurried: bool) -> None:
    try:
        await _enter(line, caller, tokens, most=HURRIED if hurried else float("inf"))
    except LimitExceeded as error:
        error.fallback = True
        raise


def _lines() -> _Lines:
    loop, conf = asyncio.get_running_loop(), configured()
    lines = _by_loop.get(loop)
    if lines is None or lines.settings is not conf:
        lines = _by_loop[loop] = _Lines(conf)
    return lines
