"""Gives an answer again instead of asking a model, where one is kept that fits the call.

A call that many make at once is made by one of them: the others wait for its answer, at most
`CITEDESK_CACHE_WAIT` seconds, and ask for themselves when it fails, is not worth keeping, or is slow.

Does not catch: the same question in other words at the same moment; each asks a model.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from accounts.tenancy import in_tenant
from gateway.base import Streaming
from gateway.cache import store
from gateway.cache.key import Key, key_of
from gateway.cache.store import Found
from gateway.cache.types import CacheNote, CacheResult
from gateway.conf import configured
from gateway.profiles import ModelProfile
from gateway.types import Call, Finished, FinishReason, StreamEvent, TextDelta, Trace
from gateway.uncancelled import to_the_end

FIRST_PAUSE, LONGEST_PAUSE = 0.05, 0.5  # seconds between two looks
PIECE = re.compile(r"\s*(?:\S+\s+){0,3}\S+\s*")  # a few words, as a model's deltas come


class Cached:
    """Looks first and asks `inner` otherwise. Whether that answer is kept is decided when the call's
    books are closed (`conclude`), for only then it has been checked."""

    def __init__(self, inner: Streaming, route: Sequence[ModelProfile]) -> None:
        self._inner, self._route = inner, route

    async def stream(self, call: Call, trace: Trace) -> AsyncGenerator[StreamEvent, None]:
        found = await self._look(call, trace)
        if found is None:
            async with aclosing(self._inner.stream(call, trace)) as events:
                async for event in events:
                    yield event
            return
        trace.cache = found.note
        trace.provider, trace.model = found.provider, found.model
        for piece in PIECE.findall(found.text):
            yield TextDelta(piece)
        yield Finished(FinishReason.STOP, found.model_version)

    async def _look(self, call: Call, trace: Trace) -> Found | None:
        reuse, first = call.reuse, self._route[0]
        if reuse is None or not configured().cache_entries or call.options.tools or not first.generates:
            return None
        key = key_of(call, reuse, [profile.id for profile in self._route], trace.policy_version)
        found, wait = await to_the_end(in_tenant(call.caller.tenant_id, _first_look, call, key, trace, first.id))
        return await _after_the_other(call, key) if wait else found


def _first_look(call: Call, key: Key, trace: Trace, model: str) -> tuple[Found | None, bool]:
    """What is kept; or whether to wait for somebody who asks the same. Notes in the trace where an
    answer may be kept, and with that that `conclude` has to be called."""
    found, may = store.look(call, key, similar=True)
    if found is not None or not may.enabled:
        return found, False
    trace.cache = CacheNote(CacheResult.MISS, exact=key.exact, scope=key.scope, model=model)
    seconds = configured().cache_wait
    return None, seconds > 0 and not store.lead(call, key, seconds)


async def _after_the_other(call: Call, key: Key) -> Found | None:
    loop, pause = asyncio.get_running_loop(), FIRST_PAUSE
    until = loop.time() + configured().cache_wait
    while loop.time() < until:
        await asyncio.sleep(pause)
        found, goes_on = await in_tenant(call.caller.tenant_id, _look_again, call, key)
        if found is not None or not goes_on:
            return found
        pause = min(2 * pause, LONGEST_PAUSE)
    return None


def _look_again(call: Call, key: Key) -> tuple[Found | None, bool]:
    goes_on = store.led(call, key)  # before the look: what it leaves behind is there when it has gone
    found, _may = store.look(call, key, similar=False)
    return found, goes_on


async def conclude(call: Call, trace: Trace) -> None:
    """What the cache makes of a call whose answer was checked and whose record is written."""
    if trace.cache.kind != CacheResult.NO:
        await to_the_end(in_tenant(call.caller.tenant_id, store.conclude, call, trace))
