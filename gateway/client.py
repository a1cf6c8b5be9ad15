"""The one entrance to every model: `stream`, `complete`, `embed`, `embed_sync`.

The order of what a completion passes through, outermost first:

    Stream            writes the audit record when the context closes, whatever happened
    Cached            an answer that was given before, or one that another call is about to get
    Admitted          the tenant's and the user's calls and tokens a minute
    Fallback          the next candidate when a provider fails, or when it is slow and the call is hedged
    Redacted          placeholders instead of personal data, unless the tenant clears the provider
    Retrying          the same provider again, before the first token
    Noted             when each try began, spoke and ended, for the spans
    Breaking          not asked at all while its circuit is open
    Limited           calls and tokens a minute of the provider's key, shared fairly
    Metered           holds the most that the attempt can cost, counts what it does cost
    Fitted            what the model cannot do is refused, a schema's answer checked
    Timed             limits on connecting, the first token, pauses and the whole
    provider          the adapter
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from decimal import Decimal
from functools import partial
from types import TracebackType
from typing import Literal, Self

from django.db import connection

from accounts.tenancy import in_database, in_tenant, tenant_scope
from gateway import connections
from gateway.abilities import ToolCall
from gateway.audit import writer
from gateway.base import Embedder
from gateway.budgets import Wish, reserve, settle
from gateway.cache.cached import Cached, conclude
from gateway.chain import candidate
from gateway.conf import configured
from gateway.credentials.keyed import KeyedEmbedder
from gateway.credentials.secret import Credential
from gateway.errors import GatewayError, StreamBroken
from gateway.fallback import Fallback
from gateway.limits.wrappers import Admitted, LimitedEmbedder
from gateway.metering import cost, estimated_embedding, most_embedding
from gateway.profiles import EmbeddingProfile
from gateway.purse import Purse
from gateway.redaction.policy import cleared, redacted_embedding, redaction_of
from gateway.redaction.redaction import Redaction
from gateway.redaction.wrapper import Redacted
from gateway.retry import RetryingEmbedder
from gateway.router import embedding_candidate, route
from gateway.routing import policies
from gateway.routing.policy import EffectivePolicy
from gateway.telemetry import ended
from gateway.types import (
    JSON,
    Call,
    Caller,
    Completion,
    EmbeddingCall,
    Finished,
    FinishReason,
    Retracted,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    Trace,
    Usage,
    Verdict,
)
from gateway.uncancelled import to_the_end


class Stream:
    """One running completion: `async with stream(call) as events: async for event in events: …`.

    Ends after `Finished`, or raises a `GatewayError`. `judge` may be called until the context
    closes, which closes the provider's connection, books the money and writes the audit record in
    one transaction, also after an error or a cancellation, and lets the cache have a good answer. Then
    `trace.audit_id`, `trace.cost` and `trace.usage` are final. `beside` is done in that transaction too.
    """

    def __init__(self, call: Call, beside: Callable[[Trace], None] | None = None) -> None:
        self.call = call
        self.trace = Trace()
        self._beside = beside
        self._redaction = redaction_of(call)
        self._events = _routed(call, self.trace, self._redaction)
        self._pieces: list[str] = []
        self._ended = False

    async def __aenter__(self) -> Self:
        return self

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> StreamEvent:
        if self._ended:
            raise StopAsyncIteration
        self.trace.mark("start")
        try:
            event = await anext(self._events)
        except StopAsyncIteration:
            raise self._failed(StreamBroken("the stream ended without its last event")) from None
        except GatewayError as error:
            raise self._failed(error) from error.__cause__
        except asyncio.CancelledError:
            self._end(FinishReason.CANCELLED)
            raise
        await self._note(event)
        return event

    def judge(self, verdict: Verdict) -> None:
        """What the caller found when it checked the answer; the last word counts."""
        self.trace.verdict = verdict

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            await self._events.aclose()
        finally:
            if "start" in self.trace.marks:
                await self._close(error if isinstance(error, Exception) else None)

    async def _close(self, error: Exception | None) -> None:
        """Who reads may break it off for a reason of the gateway's own, which is then on the record."""
        if self.trace.reason is None and error is not None:
            self.trace.error_code = error.code if isinstance(error, GatewayError) else "internal_error"
        if self.trace.reason is None:
            self._end(FinishReason.CANCELLED if error is None else FinishReason.ERROR)
        self.trace.text = "".join(self._pieces)
        frozen, kept = writer.frozen_completion(self._redaction.recorded), self._redaction.record(self.trace)
        await to_the_end(in_tenant(self.call.caller.tenant_id, self._book, frozen, kept))
        self.trace.audit_id = kept.audit_id
        await conclude(self.call, self.trace)

    def _book(self, frozen: JSON, kept: Trace) -> None:
        close_books(frozen, kept)
        if self._beside is not None:
            self._beside(self.trace)

    async def _note(self, event: StreamEvent) -> None:
        match event:
            case TextDelta():
                self.trace.mark("first_token")
                self._pieces.append(event.text)
            case Retracted():
                self._pieces.clear()
                self.trace.tool_calls.clear()
            case ToolCallDelta():
                self.trace.mark("first_token")
                join_tool_call(self.trace.tool_calls, event)
            case Finished():
                self.trace.model_version = event.model_version or self.trace.model_version
                self._end(event.reason)
                await self._events.aclose()

    def _failed(self, error: GatewayError) -> GatewayError:
        self.trace.error_code = error.code
        self._end(FinishReason.ERROR)
        return error

    def _end(self, reason: FinishReason) -> None:
        self._ended = True
        self.trace.reason = reason
        self.trace.mark("finished")


def stream(call: Call) -> Stream:
    """A completion as it is written."""
    return Stream(call)


async def complete(call: Call) -> Completion:
    """A completion in one piece. Raises `GatewayError`."""
    async with stream(call) as events:
        async for _event in events:
            pass
    trace = events.trace
    tool_calls = tuple(ToolCall(c["id"], c["name"], c["arguments"], c["signature"]) for c in trace.tool_calls)
    return Completion(trace.text, trace.reason or FinishReason.ERROR, trace.usage, trace.model_version, tool_calls)


async def embed(call: EmbeddingCall) -> list[list[float]]:
    """One vector for each text, in order. Raises `GatewayError`."""
    run = _Embedding(call)
    try:
        profile = run.begin(await policies.current(call.caller.tenant_id))
        sent = await redacted_embedding(call, profile, run.trace)
        if amount := most_embedding(sent, profile):
            await to_the_end(in_database(run.reserve, amount))
        run.trace.mark("reserved")
        return run.done(profile, *await _embed_with(profile, sent, run.trace))
    except GatewayError as error:
        run.failed(error)
        raise
    except asyncio.CancelledError:
        run.broken_off()
        raise
    finally:
        await to_the_end(in_tenant(call.caller.tenant_id, close_books, run.frozen, run.trace))


def embed_sync(
    caller: Caller,
    texts: Sequence[str],
    *,
    kind: Literal["query", "passage"] = "passage",
    model: str | None = None,
    rolls_back: bool = False,
) -> list[list[float]]:
    """`embed` for workers and commands. The database is used in the calling thread; the provider
    runs on an event loop kept for it, so its connections outlive the call. Raises `GatewayError`,
    and `RuntimeError` inside a transaction, for none is ever held across a model's work; except
    in one that `rolls_back`, as an evaluation does to leave nothing behind."""
    if connection.in_atomic_block and not rolls_back:
        raise RuntimeError("embed_sync was called inside a transaction; leave the tenant scope first")
    call = EmbeddingCall(caller=caller, texts=tuple(texts), kind=kind, model=model)
    run = _Embedding(call)
    try:
        profile = run.begin(policies.in_force(caller.tenant_id))
        sent = connections.run_in_background(redacted_embedding(call, profile, run.trace))
        if amount := most_embedding(sent, profile):
            run.reserve(amount)
        run.trace.mark("reserved")
        return run.done(profile, *connections.run_in_background(_embed_with(profile, sent, run.trace)))
    except GatewayError as error:
        run.failed(error)
        raise
    finally:
        with tenant_scope(caller.tenant_id):
            close_books(run.frozen, run.trace)


class _Embedding:
    """The books of one embedding, the same for both doors. A model without a price to pay makes
    no reservation: there is nothing to hold."""

    def __init__(self, call: EmbeddingCall) -> None:
        self.call, self.trace = call, Trace(reason=FinishReason.ERROR, error_code="internal_error")
        self.frozen: JSON = writer.frozen_embedding(call)

    def begin(self, policy: EffectivePolicy) -> EmbeddingProfile:
        self.trace.mark("start")
        self.trace.policy_version = policy.version
        self.profile = profile = embedding_candidate(self.call, policy)
        self.trace.provider, self.trace.model = profile.provider, profile.id
        return profile

    def reserve(self, amount: Decimal) -> None:
        seconds = configured().reservation_seconds
        reserve(Wish(self.call.caller, self.call.id, self.frozen, amount, amount, amount, seconds))

    def done(self, profile: EmbeddingProfile, vectors: list[list[float]], usage: Usage) -> list[list[float]]:
        self.trace.mark("finished")
        self.trace.usage, self.trace.cost = usage, cost(profile, usage)
        self.trace.reason, self.trace.error_code = FinishReason.STOP, ""
        return vectors

    def failed(self, error: GatewayError) -> None:
        self.trace.mark("finished")
        self.trace.error_code = error.code

    def broken_off(self) -> None:
        """Who asked has left. What the provider may have read by then is booked."""
        self.trace.reason, self.trace.error_code = FinishReason.CANCELLED, ""
        if "reserved" in self.trace.marks:
            self.trace.usage = estimated_embedding(self.call, self.profile)
            self.trace.cost = cost(self.profile, self.trace.usage)


async def _embed_with(profile: EmbeddingProfile, call: EmbeddingCall, trace: Trace) -> tuple[list[list[float]], Usage]:
    def attempt(credential: Credential, hurried: bool) -> Embedder:
        return LimitedEmbedder(connections.embedding_provider(profile, credential), credential, hurried=hurried)

    keyed = KeyedEmbedder(profile, partial(connections.keys, profile), attempt, trace)
    return await RetryingEmbedder(keyed, trace).embed(call)


async def _routed(call: Call, trace: Trace, redaction: Redaction) -> AsyncGenerator[StreamEvent, None]:
    policy = await policies.current(call.caller.tenant_id)
    profiles = route(call, policy, trace)
    until = asyncio.get_running_loop().time() + call.options.total_timeout
    purse, allowed = Purse(trace), partial(cleared, call.caller.tenant_id)
    chain = Fallback([Redacted(candidate(profile, purse, until), redaction, allowed) for profile in profiles])
    async with aclosing(Cached(Admitted(chain), profiles).stream(call, trace)) as events:
        async for event in events:
            yield event


def close_books(frozen: JSON, trace: Trace) -> None:
    """Money and record in one transaction; the budget's rows are locked before the chain's head,
    by every writer."""
    trace.mark("closing")
    settle(frozen["id"], trace.cost)
    record = writer.append(frozen["caller"]["tenant_id"], frozen, trace)
    trace.audit_id = str(record.pk)
    ended.tell(frozen, trace)


def join_tool_call(calls: list[JSON], delta: ToolCallDelta) -> None:
    """Adds a piece of a tool call to the call that it belongs to."""
    for call in calls:
        if call["index"] == delta.index:
            call["name"] += delta.name
            call["arguments"] += delta.arguments
            call["signature"] += delta.signature
            return
    calls.append(dataclasses.asdict(delta))
