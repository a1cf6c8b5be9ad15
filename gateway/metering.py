"""What a call can cost at most, and what it came to. The two count differently.

At most: a token for each byte, because a tokenizer that works on bytes can make no more of a text
than that, be it digits, an unusual script or noise. What a budget holds is never too little.
Came to, where the provider does not say (B3): three bytes to a token, a little more than prose takes.

Does not catch: what a provider adds to a prompt by itself, beyond `TOKENS_PER_MESSAGE`.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from decimal import ROUND_DOWN, ROUND_UP, Decimal

from gateway.budgets import PLACES
from gateway.errors import UnpricedModel
from gateway.profiles import MILLION, EmbeddingProfile, ModelProfile, Price
from gateway.types import Call, EmbeddingCall, Message, Usage

BYTES_PER_TOKEN = 3  # fewer than tokenizers need for prose, so the estimate is on the safe side
TOKENS_PER_MESSAGE = 8  # role and separators
TOKENS_PER_IMAGE = 5000  # more than any provider counts for one at the size that it is cut down to
TOKENS_FOR_TOOLS = 700  # what providers say to the model about tools, beside their definitions


def tokens(text: str) -> int:
    """A conservative estimate, in any script: three bytes of UTF-8 to a token."""
    return -(-len(text.encode("utf-8", "surrogatepass")) // BYTES_PER_TOKEN)


def bound(text: str) -> int:
    """More than any tokenizer makes of it: its bytes."""
    return len(text.encode("utf-8", "surrogatepass"))


def prompt_tokens(call: Call, count: Callable[[str], int] = tokens) -> int:
    """What the model reads, as `count` has it, estimated or by its bound: messages, images, calls to
    tools, and what is declared beside them."""
    options, declared = call.options, 0
    if options.tools:
        definitions = [dataclasses.asdict(tool) for tool in options.tools]
        declared += TOKENS_FOR_TOOLS + count(json.dumps(definitions, ensure_ascii=False))
    if options.output is not None:
        declared += TOKENS_FOR_TOOLS + count(json.dumps(options.output.schema, ensure_ascii=False))
    return declared + sum(_message_tokens(message, count) for message in call.messages)


def _message_tokens(message: Message, count: Callable[[str], int]) -> int:
    calls = sum(count(each.name + each.arguments) + TOKENS_PER_MESSAGE for each in message.tool_calls)
    return count(message.content) + calls + TOKENS_PER_IMAGE * len(message.images) + TOKENS_PER_MESSAGE


def estimated_usage(call: Call, text: str) -> Usage:
    """What we book when the provider sent no usage (B3)."""
    return Usage(input_tokens=prompt_tokens(call), output_tokens=tokens(text), estimated=True)


def most(call: Call, profile: ModelProfile, max_tokens: int | None = None) -> Decimal:
    """The most that the call can cost with this model, in US dollars; with `max_tokens` of output
    instead of what it asks for, if given. Raises `UnpricedModel`."""
    asked = output_limit(call, profile)
    output = asked if max_tokens is None else min(max_tokens, asked)
    usage = dataclasses.replace(_reading(call, profile), output_tokens=output)
    return price_of(profile).cost(usage).quantize(PLACES, ROUND_UP)


def affordable(amount: Decimal, call: Call, profile: ModelProfile) -> int:
    """How many tokens of output `amount` pays for beside the prompt, at most what the call asks for."""
    asked, price = output_limit(call, profile), price_of(profile)
    if not price.output:
        return asked
    left = amount - price.cost(_reading(call, profile))
    return max(0, min(asked, int((left * MILLION / price.output).to_integral_value(ROUND_DOWN))))


def output_limit(call: Call, profile: ModelProfile) -> int:
    """Tokens that the call asks for, as far as the model can write them."""
    return min(call.options.max_tokens, profile.max_output) if profile.max_output else call.options.max_tokens


def price_of(profile: ModelProfile | EmbeddingProfile) -> Price:
    """Raises `UnpricedModel` (B5)."""
    if profile.price is None:
        raise UnpricedModel(f"{profile.id} has no price in the profiles: a budget cannot hold it")
    return profile.price


def cost(profile: ModelProfile | EmbeddingProfile, usage: Usage) -> Decimal:
    """What it cost, in US dollars."""
    return profile.price.cost(usage).quantize(PLACES, ROUND_UP) if profile.price else Decimal(0)


def most_embedding(call: EmbeddingCall, profile: EmbeddingProfile) -> Decimal:
    """The most that an embedding can cost. Raises `UnpricedModel`."""
    usage = Usage(input_tokens=sum(min(bound(text) + 2, profile.max_tokens) for text in call.texts))
    return price_of(profile).cost(usage).quantize(PLACES, ROUND_UP)


def estimated_embedding(call: EmbeddingCall, profile: EmbeddingProfile) -> Usage:
    """What we book of an embedding that we broke off."""
    read = sum(min(tokens(text) + 2, profile.max_tokens) for text in call.texts)
    return Usage(input_tokens=read, estimated=True)


def _reading(call: Call, profile: ModelProfile) -> Usage:
    """The most that the prompt alone can be billed as. Where a part of it is to be kept in the
    provider's cache, writing all of it there."""
    read = min(prompt_tokens(call, bound), profile.context or 2**31)
    written = read if profile.caching and any(message.cache for message in call.messages) else 0
    return Usage(input_tokens=read, cache_write_tokens=written)
