"""What a call can cost at most, and what it came to.

Does not catch: text that takes more than a token per three bytes, such as long runs of digits in
some tokenizers; what the provider then reports is booked all the same.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from decimal import ROUND_UP, Decimal

from accounts.tenancy import in_database
from gateway.audit import writer
from gateway.base import Streaming
from gateway.budgets import PLACES, reserve
from gateway.conf import configured
from gateway.errors import UnpricedModel
from gateway.profiles import EmbeddingProfile, ModelProfile
from gateway.types import (
    Call,
    EmbeddingCall,
    Message,
    Retracted,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    Trace,
    Usage,
    UsageReport,
)
from gateway.uncancelled import to_the_end

BYTES_PER_TOKEN = 3  # fewer than tokenizers need for prose, so the estimate is on the safe side
TOKENS_PER_MESSAGE = 8  # role and separators
TOKENS_PER_IMAGE = 5000  # more than any provider counts for one at the size that it is cut down to
TOKENS_FOR_TOOLS = 700  # what providers say to the model about tools, beside their definitions


def tokens(text: str) -> int:
    """A conservative estimate, in any script: three bytes of UTF-8 to a token."""
    return -(-len(text.encode("utf-8", "surrogatepass")) // BYTES_PER_TOKEN)


def prompt_tokens(call: Call) -> int:
    """What the model reads: messages, images, calls to tools, and what is declared beside them."""
    options, declared = call.options, 0
    if options.tools:
        definitions = [dataclasses.asdict(tool) for tool in options.tools]
        declared += TOKENS_FOR_TOOLS + tokens(json.dumps(definitions, ensure_ascii=False))
    if options.output is not None:
        declared += TOKENS_FOR_TOOLS + tokens(json.dumps(options.output.schema, ensure_ascii=False))
    return declared + sum(_message_tokens(message) for message in call.messages)


def _message_tokens(message: Message) -> int:
    calls = sum(tokens(each.name + each.arguments) + TOKENS_PER_MESSAGE for each in message.tool_calls)
    return tokens(message.content) + calls + TOKENS_PER_IMAGE * len(message.images) + TOKENS_PER_MESSAGE


def estimated_usage(call: Call, text: str) -> Usage:
    """What we book when the provider sent no usage (B3)."""
    return Usage(input_tokens=prompt_tokens(call), output_tokens=tokens(text), estimated=True)


def most(call: Call, profile: ModelProfile) -> Decimal:
    """The most that the call can cost with this model, in US dollars. Raises `UnpricedModel`."""
    if profile.price is None:
        raise UnpricedModel(f"{profile.id} has no price in the profiles: a budget cannot hold it")
    output = min(call.options.max_tokens, profile.max_output) if profile.max_output else call.options.max_tokens
    read = min(prompt_tokens(call), profile.context or 2**31)
    written = read if profile.caching and any(message.cache for message in call.messages) else 0
    usage = Usage(input_tokens=read, output_tokens=output, cache_write_tokens=written)
    return profile.price.cost(usage).quantize(PLACES, ROUND_UP)


def most_embedding(call: EmbeddingCall, profile: EmbeddingProfile) -> Decimal:
    """The same for an embedding. Raises `UnpricedModel`."""
    if profile.price is None:
        raise UnpricedModel(f"{profile.id} has no price in the profiles: a budget cannot hold it")
    usage = Usage(input_tokens=sum(min(tokens(text) + 2, profile.max_tokens) for text in call.texts))
    return profile.price.cost(usage).quantize(PLACES, ROUND_UP)


def embedding_cost(profile: EmbeddingProfile, usage: Usage) -> Decimal:
    """What an embedding cost, in US dollars."""
    return profile.price.cost(usage).quantize(PLACES, ROUND_UP) if profile.price else Decimal(0)


class Budgeted:
    """Holds the money before the first event, and counts what the call spends.

    The booking itself is left to the transaction that writes the audit record: money and record
    are committed together, so no crash can separate them.
    """

    def __init__(self, inner: Streaming, candidates: Sequence[ModelProfile]) -> None:
        self._inner = inner
        self._candidates = candidates

    async def stream(self, call: Call, trace: Trace) -> AsyncGenerator[StreamEvent, None]:
        amount = max(most(call, profile) for profile in self._candidates)
        # The lease outlives the call, so that no call is swept while it runs.
        seconds = max(configured().reservation_seconds, call.options.total_timeout * len(self._candidates) + 60)
        await to_the_end(
            in_database(reserve, call.caller, call.id, amount, writer.frozen_completion(call), seconds=seconds)
        )
        trace.mark("reserved")
        meter = Meter(call, trace, self._candidates)
        try:
            async with aclosing(self._inner.stream(call, trace)) as events:
                async for event in events:
                    meter.note(event)
                    yield event
        finally:
            meter.close()


class Meter:
    """Adds up what a call spends, pieces that were retracted included, into its trace."""

    def __init__(self, call: Call, trace: Trace, candidates: Sequence[ModelProfile]) -> None:
        self._call, self._trace = call, trace
        self._profiles = {profile.id: profile for profile in candidates}
        self._only = candidates[0] if len(candidates) == 1 else None
        self._pieces: list[str] = []
        self._model = ""
        self._reported: Usage | None = None
        self._lost = Decimal(0)

    def note(self, event: StreamEvent) -> None:
        if isinstance(event, Retracted):
            self._lost += self._cost(self._used())
            self._pieces.clear()
            self._reported = None
            return
        self._model = self._trace.model
        if isinstance(event, TextDelta):
            self._pieces.append(event.text)
        elif isinstance(event, ToolCallDelta):
            self._pieces.append(event.name + event.arguments)
        elif isinstance(event, UsageReport):
            self._reported = event.usage

    def close(self) -> None:
        self._trace.usage = self._used()
        self._trace.cost = self._lost + self._cost(self._trace.usage)

    def _used(self) -> Usage:
        if self._reported is not None:
            return self._reported
        return estimated_usage(self._call, "".join(self._pieces)) if self._pieces else Usage()

    def _cost(self, usage: Usage) -> Decimal:
        profile = self._profiles.get(self._model) or self._only
        if profile is None or profile.price is None:
            return Decimal(0)
        return profile.price.cost(usage).quantize(PLACES, ROUND_UP)
