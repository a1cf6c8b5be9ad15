"""What one call may spend and has spent, over all its attempts.

Each attempt, whether first, retry, fallback or hedge, holds its own most before it starts, and when
it ends books what it wrote, also where that was retracted or nobody read it. Money that an attempt
did not need passes to the next; what is missing is held on top. So the books are never behind, and
several attempts may run at once.

Does not catch: a provider that bills an attempt which it answered with an error.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from decimal import Decimal

from accounts.tenancy import in_database
from gateway import budgets
from gateway.audit import writer
from gateway.base import Candidate
from gateway.budgets import Wish
from gateway.conf import configured
from gateway.errors import BudgetExceeded, GatewayError, ProviderTimeout
from gateway.metering import affordable, cost, estimated_usage, most, output_limit, prompt_tokens
from gateway.profiles import ModelProfile
from gateway.types import Call, StreamEvent, TextDelta, ToolCallDelta, Trace, Usage, UsageReport
from gateway.uncancelled import to_the_end

SHORTEST = 64  # tokens of output, a few sentences: below that an answer is not worth its prompt
GRACE = 60.0  # seconds by which a reservation outlives the attempt that it is for


class Purse:
    """The money of one call. The booking itself is left to the transaction that writes the audit
    record, so no crash can separate the two; `trace.cost` and `trace.usage` are what it books."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._held = self._promised = Decimal(0)
        self._until = 0.0
        self._begun = False
        self._lock = asyncio.Lock()

    async def begin(self, call: Call, profile: ModelProfile) -> Attempt:
        """Holds what an attempt with this model can cost, with less output where money is short.

        Raises `UnpricedModel`, or `BudgetExceeded`. The call goes on with the next candidate, which
        may be cheaper, where an earlier attempt has begun; it is refused where none has.
        """
        async with self._lock:
            full = most(call, profile)
            try:
                share = await self._share(call, profile, full)
            except BudgetExceeded as error:
                error.fallback = self._begun
                raise
            self._begun = True
            self._promised += share
        self._trace.mark("reserved")
        if share < full:
            allowed = affordable(share, call, profile)
            self._trace.attempts.append({"model": profile.id, "max_tokens": allowed, "because": "budget"})
            call = replace(call, options=replace(call.options, max_tokens=allowed))
        return Attempt(self, call, profile, share)

    def end(self, attempt: Attempt) -> None:
        """Takes back what the attempt was promised, and books what it spent."""
        self._promised -= attempt.share
        self._trace.cost += attempt.cost
        if attempt.usage != Usage():
            self._trace.usage = attempt.usage

    async def _share(self, call: Call, profile: ModelProfile, full: Decimal) -> Decimal:
        """What of `full` the attempt may spend, at least the least; held, and for long enough."""
        now, seconds = asyncio.get_running_loop().time(), call.options.total_timeout + GRACE
        free = self._held - self._promised - self._trace.cost
        if full <= free and now + seconds <= self._until:
            return full
        asked = output_limit(call, profile)
        half, few = most(call, profile, max(SHORTEST, asked // 2)), most(call, profile, SHORTEST)
        lease = max(seconds, configured().reservation_seconds)
        frozen = writer.frozen_completion(call)
        missing = max(full - free, Decimal(0))
        more = await _hold(Wish(call.caller, call.id, frozen, missing, half - free, few - free, lease))
        self._held += more
        self._until = now + lease
        return min(full, free + more)


class Attempt:
    """One try at one model: the call as it may be made, and a meter for what it spends."""

    def __init__(self, purse: Purse, call: Call, profile: ModelProfile, share: Decimal) -> None:
        self.call, self.share = call, share
        self._purse, self._profile = purse, profile
        self._pieces: list[str] = []
        self._reported: Usage | None = None
        self._answered = self._refused = False

    def note(self, event: StreamEvent) -> None:
        self._answered = True
        if isinstance(event, TextDelta):
            self._pieces.append(event.text)
        elif isinstance(event, ToolCallDelta):
            self._pieces.append(event.name + event.arguments)
        elif isinstance(event, UsageReport):
            self._reported = event.usage

    def failed(self, error: GatewayError) -> None:
        """An error instead of an answer is not billed. A timeout of ours is no answer, but the
        provider had read the prompt; except where it was never reached."""
        timed_out = isinstance(error, ProviderTimeout) and error.phase != "connect"
        self._refused = not self._answered and not timed_out

    def end(self) -> None:
        self._purse.end(self)

    @property
    def usage(self) -> Usage:
        """What the provider reports, or an estimate: of the prompt alone where we broke off before
        anything came."""
        if self._reported is not None:
            return self._reported
        if self._refused:
            return Usage()
        if not self._pieces:
            return Usage(input_tokens=prompt_tokens(self.call), estimated=True)
        return estimated_usage(self.call, "".join(self._pieces))

    @property
    def cost(self) -> Decimal:
        return cost(self._profile, self.usage)


class Metered:
    """Each attempt at a candidate out of the call's purse."""

    def __init__(self, inner: Candidate, purse: Purse) -> None:
        self._inner, self._purse = inner, purse
        self.name, self.profile = inner.name, inner.profile

    async def stream(self, call: Call, trace: Trace) -> AsyncGenerator[StreamEvent, None]:
        attempt = await self._purse.begin(call, self.profile)
        try:
            async with aclosing(self._inner.stream(attempt.call, trace)) as events:
                async for event in events:
                    attempt.note(event)
                    yield event
        except GatewayError as error:
            attempt.failed(error)
            raise
        finally:
            attempt.end()


async def _hold(wish: Wish) -> Decimal:
    """`budgets.reserve` for an event loop: what it waits for can be cancelled, and keeps no thread."""
    for pause in budgets.pauses(configured().budget_wait):
        held = await to_the_end(in_database(budgets.hold, wish, wish.enough))
        if held.amount is not None:
            return held.amount
        if not held.may_come:
            break
        await asyncio.sleep(pause)
    return await to_the_end(in_database(budgets.hold_or_refuse, wish))
