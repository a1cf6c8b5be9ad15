"""What each model can do, what it costs and where it runs: data, never `if provider == …`."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from gateway.errors import UnknownModel
from gateway.types import Usage

MILLION = Decimal(1_000_000)
PROFILES_FILE = Path(__file__).with_name("profiles.json")
LOCAL = frozenset({"extractive", "template", "sentence_transformers"})  # providers within this process


@dataclass(frozen=True)
class Price:
    """US dollars per million tokens. Input read from the provider's cache is billed at
    `cached_input`, input written to it at `cache_write`, which is None where that costs no more."""

    input: Decimal
    output: Decimal
    cached_input: Decimal
    cache_write: Decimal | None = None

    def cost(self, usage: Usage) -> Decimal:
        fresh = usage.input_tokens - usage.cached_tokens - usage.cache_write_tokens
        write = self.input if self.cache_write is None else self.cache_write
        read = fresh * self.input + usage.cached_tokens * self.cached_input + usage.cache_write_tokens * write
        return (read + usage.output_tokens * self.output) / MILLION

    def times(self, share: Decimal) -> Price:
        """The same with everything at this share of its price."""
        write = None if self.cache_write is None else self.cache_write * share
        return Price(self.input * share, self.output * share, self.cached_input * share, write)


@dataclass(frozen=True)
class ModelProfile:
    """One model at one provider. `id` is what routes and the audit name, `model` what the
    provider calls it. `price` None means that nobody has said: such a model is refused.
    `token_parameter` is the name by which a Chat Completions server takes the output limit;
    `temperature` False marks models that refuse the parameter, `generates` False those that only
    use words of their sources, and of these `quotes` those that answer with whole sentences.
    `reasoning` is the effort to ask for, "none" to switch it off, empty to say nothing of it.
    `operators` marks the model of the operator's own server, whose name, context and price the
    settings give. `first_token_timeout` is the least to wait for a model that reads a prompt slowly,
    in seconds."""

    id: str
    provider: str
    model: str
    context: int
    max_output: int
    price: Price | None
    tools: bool = False
    images: bool = False
    json_schema: bool = False
    safety: tuple[str, ...] = ()
    caching: bool = False
    temperature: bool = True
    generates: bool = True
    quotes: bool = False
    reasoning: str = ""
    operators: bool = False
    first_token_timeout: float = 0.0
    region: str = ""
    token_parameter: str = "max_completion_tokens"  # noqa: S105  a name, no secret


@dataclass(frozen=True)
class EmbeddingProfile:
    """One embedding model. `max_tokens` is what it reads of a text; the rest is cut, or refused by an
    API. `batch` and `batch_tokens` are how many texts and tokens one request may hold."""

    id: str
    provider: str
    model: str
    dimensions: int
    max_tokens: int
    price: Price | None
    batch: int = 1
    batch_tokens: int = 8000


@dataclass(frozen=True)
class BatchTerms:
    """On what terms a provider takes calls as a batch: at which share of their price, and how many
    requests and bytes one upload may hold."""

    provider: str
    share: Decimal
    requests: int
    bytes: int


def _price(entry: dict[str, str] | None) -> Price | None:
    if entry is None:
        return None
    write = Decimal(entry["cache_write"]) if "cache_write" in entry else None
    cached = Decimal(entry.get("cached_input", entry["input"]))
    return Price(Decimal(entry["input"]), Decimal(entry["output"]), cached, write)


def _completion(row: dict[str, Any]) -> ModelProfile:
    return ModelProfile(**{**row, "price": _price(row["price"]), "safety": tuple(row.get("safety", ()))})


@cache
def _file() -> dict[str, list[dict[str, Any]]]:
    return json.loads(PROFILES_FILE.read_text())  # type: ignore[no-any-return]


@cache
def completion_profiles() -> dict[str, ModelProfile]:
    """All completion models of the data file, by id."""
    return {row.id: row for row in map(_completion, _file()["completion"])}


@cache
def embedding_profiles() -> dict[str, EmbeddingProfile]:
    """All embedding models of the data file, by id."""
    rows = [EmbeddingProfile(**{**row, "price": _price(row["price"])}) for row in _file()["embedding"]]
    return {row.id: row for row in rows}


@cache
def batch_terms(provider: str) -> BatchTerms | None:
    """None for a provider without a batch API."""
    rows = [row for row in _file().get("batch", []) if row["provider"] == provider]
    return BatchTerms(**{**rows[0], "share": Decimal(rows[0]["share"])}) if rows else None


def at_batch_price(profile: ModelProfile) -> ModelProfile:
    """The model as it is billed within a batch; unchanged where its provider has none."""
    terms = batch_terms(profile.provider)
    if terms is None or profile.price is None:
        return profile
    return replace(profile, price=profile.price.times(terms.share))


def completion_profile(profile_id: str) -> ModelProfile:
    """Raises `UnknownModel`."""
    try:
        return completion_profiles()[profile_id]
    except KeyError:
        raise UnknownModel(f"no profile {profile_id!r} in {PROFILES_FILE.name}") from None


def embedding_profile(profile_id: str) -> EmbeddingProfile:
    """Raises `UnknownModel`."""
    try:
        return embedding_profiles()[profile_id]
    except KeyError:
        raise UnknownModel(f"no embedding profile {profile_id!r} in {PROFILES_FILE.name}") from None
