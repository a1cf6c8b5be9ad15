"""From a batch at the provider to rows: looked at, and when it has ended, read line by line. Each line
ends its item by itself, so that a reader that dies half way leaves the rest to the next one."""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress

from django.utils import timezone

from accounts.tenancy import in_database, in_tenant
from gateway import connections
from gateway.audit import writer
from gateway.base import Candidate
from gateway.batch import kept as keeping
from gateway.batch import leases, settling
from gateway.batch.kept import Kept
from gateway.batch.leases import Lease
from gateway.batch.pacing import next_look
from gateway.batch.settling import End, outcome
from gateway.batch.uploading import Opened, end_rest, end_unanswered
from gateway.client import join_tool_call
from gateway.errors import Erased, GatewayError, ProviderError, StreamBroken
from gateway.fitting import Fitted
from gateway.metering import cost, estimated_usage
from gateway.models import OPEN_ITEMS, BatchItem, PartState
from gateway.profiles import ModelProfile, at_batch_price
from gateway.providers.batching.base import BatchProvider, Progress, Remote, Result
from gateway.redaction.wrapper import Redacted
from gateway.types import Call, Finished, FinishReason, StreamEvent, TextDelta, ToolCallDelta, Trace, UsageReport

RENEWED_EVERY = 200  # results


async def look(lease: Lease, profile: ModelProfile) -> None:
    """Raises `ProviderError`."""
    provider, part, now = await connections.keyed_batch_provider(profile), lease.part, timezone.now()
    if lease.cancelled and not part.asked_to_stop:
        await provider.cancel(part.remote_id)
        await in_tenant(lease.tenant_id, leases.change, lease, asked_to_stop=True)
    progress = await provider.progress(part.remote_id)
    if progress.state is Remote.PROCESSING:
        due = now + next_look(now - (part.begun_at or now))
        await in_tenant(lease.tenant_id, leases.put_back, lease, due, troubles=0, last_error="")
        return
    if progress.error is not None and progress.error.retryable:  # nothing was run, and later it may be
        await in_tenant(lease.tenant_id, leases.change, lease, state=PartState.WAITING, remote_id="")
        raise progress.error
    if not await _collect(lease, profile, provider, progress):
        return
    if await in_tenant(lease.tenant_id, leases.put_back, lease, now, state=PartState.ENDED):
        with suppress(ProviderError):  # what is left there ends by itself
            await provider.tidy(part.remote_id, progress)


async def answered(kept: Kept, profile: ModelProfile, result: Result) -> End:
    """What becomes of an answer: checked, restored, priced, and written down as the audit keeps it."""
    redaction, sent = kept.redaction(), kept.request
    trace = Trace(provider=profile.provider, model=profile.id, policy_version=kept.policy)
    trace.attempts.append({"model": profile.id, "because": "batch"})
    said = Redacted(Fitted(_Said(profile, result)), redaction, _always if kept.sent is None else _never)
    pieces: list[str] = []
    try:
        async with aclosing(said.stream(kept.call, trace)) as events:
            async for event in events:
                _note(event, trace, pieces)
    except GatewayError as error:
        trace.error_code, trace.reason = error.code, FinishReason.ERROR
    trace.text = "".join(pieces)
    reported = [event.usage for event in result.events if isinstance(event, UsageReport)]
    if reported or result.error is None:
        written = "".join(event.text for event in result.events if isinstance(event, TextDelta))
        trace.usage = reported[-1] if reported else estimated_usage(sent, written)
        trace.cost = cost(at_batch_price(profile), trace.usage)
    state, told = outcome(trace)
    return End(state, writer.frozen_completion(redaction.recorded), redaction.record(trace), told)


async def _collect(lease: Lease, profile: ModelProfile, provider: BatchProvider, progress: Progress) -> bool:
    """Whether all items have ended, and by us. Raises `StreamBroken` for results that were cut; those that
    came are booked."""
    count = 0
    if progress.state is not Remote.FAILED:
        async with aclosing(provider.results(lease.part.remote_id, progress)) as results:
            async for result in results:
                await _book(lease, profile, result)
                count += 1
                if count % RENEWED_EVERY == 0 and not await in_tenant(lease.tenant_id, leases.hold, lease):
                    return False
        if count < progress.counted:
            raise StreamBroken(f"{count} of {progress.counted} results came")
    return await end_rest(lease, profile, progress.unreached)


async def _book(lease: Lease, profile: ModelProfile, result: Result) -> None:
    each = await in_tenant(lease.tenant_id, _open_item, lease.part.pk, result.custom_id)
    if each is None:
        return
    if each.kept is None:
        await in_database(settling.end, lease.tenant_id, each.item.pk, _erased(lease, each, profile, result))
    elif result.error is not None and not result.events:
        await end_unanswered(lease.tenant_id, each, result.error, profile)
    else:
        found = await answered(each.kept, profile, result)
        await in_database(settling.end, lease.tenant_id, each.item.pk, found)


def _open_item(part_id: uuid.UUID, custom_id: str) -> Opened | None:
    """None for what has ended already, and for an id that is none of ours."""
    try:
        asked = uuid.UUID(custom_id)
    except ValueError:
        return None
    item = BatchItem.objects.filter(pk=asked, part_id=part_id, state__in=OPEN_ITEMS).first()
    if item is None:
        return None
    try:
        return Opened(item, keeping.opened(item))
    except GatewayError as error:
        return Opened(item, None, error)


def _erased(lease: Lease, each: Opened, profile: ModelProfile, result: Result) -> End:
    """Nobody is left to give the answer to; what it cost is booked all the same."""
    trace = Trace(provider=profile.provider, model=profile.id)
    for event in result.events:
        if isinstance(event, UsageReport):
            trace.usage, trace.cost = event.usage, cost(at_batch_price(profile), event.usage)
    return settling.unanswered(settling.nobodys(lease.tenant_id, each.item.pk), each.error or Erased(), trace)


class _Said(Candidate):
    """What a model said another day, as a provider that says it now."""

    def __init__(self, profile: ModelProfile, result: Result) -> None:
        self.name, self.profile, self._result = profile.provider, profile, result

    async def stream(self, call: Call, trace: Trace) -> AsyncGenerator[StreamEvent, None]:
        for event in self._result.events:
            yield event
        if self._result.error is not None:
            raise self._result.error


def _note(event: StreamEvent, trace: Trace, pieces: list[str]) -> None:
    match event:
        case TextDelta():
            pieces.append(event.text)
        case ToolCallDelta():
            join_tool_call(trace.tool_calls, event)
        case Finished():
            trace.reason, trace.model_version = event.reason, event.model_version


async def _always(_provider: str) -> bool:
    return True


async def _never(_provider: str) -> bool:
    return False
