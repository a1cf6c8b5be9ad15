"""Which adapter speaks for which provider: one line each, imported when used."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gateway.base import EmbeddingProvider, Provider
from gateway.credentials.secret import NO_KEY, Credential
from gateway.errors import UnknownModel
from gateway.profiles import EmbeddingProfile, ModelProfile
from gateway.providers.batching.base import BatchProvider
from gateway.providers.fronts import NO_FRONT, Front

if TYPE_CHECKING:
    from gateway.providers.aws import AwsAccess

Embed = Callable[[list[str]], Awaitable[list[list[float]]]]


@dataclass(frozen=True)
class ProviderSettings:
    """What adapters need beside a profile: addresses, a credential of their provider's, and for the
    extractive one `embed`."""

    credential: Credential = NO_KEY
    openai_url: str = ""
    openai_api: str = "responses"
    anthropic_url: str = ""
    gemini_url: str = ""
    bedrock_region: str = ""
    bedrock_url: str = ""
    bedrock_guardrail: str = ""
    mistral_url: str = ""
    azure_url: str = ""
    azure_api: str = "responses"
    compatible_url: str = ""
    front: Front = NO_FRONT
    embed: Embed | None = field(default=None, repr=False)

    @property
    def key(self) -> str:
        return self.credential.secret.reveal()


def make(profile: ModelProfile, settings: ProviderSettings) -> Provider:
    """The adapter for a completion model. Raises `UnknownModel`."""
    factory = ADAPTERS.get(profile.provider)
    if factory is None:
        raise UnknownModel(f"no adapter speaks for the provider {profile.provider!r}")
    return factory(profile, settings)


def make_embedding(profile: EmbeddingProfile, settings: ProviderSettings) -> EmbeddingProvider:
    """The adapter for an embedding model. Raises `UnknownModel`."""
    factory = EMBEDDERS.get(profile.provider)
    if factory is None:
        raise UnknownModel(f"no adapter embeds for the provider {profile.provider!r}")
    return factory(profile, settings)


def make_batch(profile: ModelProfile, settings: ProviderSettings) -> BatchProvider:
    """The adapter for a model's batches. Raises `UnknownModel` where the provider has no batch API."""
    factory = BATCHERS.get(profile.provider)
    if factory is None:
        raise UnknownModel(f"no adapter speaks for batches of the provider {profile.provider!r}")
    return factory(profile, settings)


def _extractive(profile: ModelProfile, settings: ProviderSettings) -> Provider:
    from gateway.providers.extractive import ExtractiveProvider

    assert settings.embed is not None, "the extractive provider needs an embedder"
    return ExtractiveProvider(profile, settings.embed)


def _template(profile: ModelProfile, settings: ProviderSettings) -> Provider:
    from gateway.providers.template import TemplateProvider

    return TemplateProvider(profile)


def _openai(profile: ModelProfile, settings: ProviderSettings) -> Provider:
    from gateway.providers.openai import openai_provider

    return openai_provider(
        profile, key=settings.key, url=settings.openai_url, api=settings.openai_api, front=settings.front
    )


def _anthropic(profile: ModelProfile, settings: ProviderSettings) -> Provider:
    from gateway.providers.anthropic import AnthropicProvider

    return AnthropicProvider(profile, key=settings.key, url=settings.anthropic_url, front=settings.front)


def _openai_batches(profile: ModelProfile, settings: ProviderSettings) -> BatchProvider:
    from gateway.providers.batching.openai import OpenAIChatBatches, OpenAIResponsesBatches

    kind = OpenAIChatBatches if settings.openai_api == "chat" else OpenAIResponsesBatches
    return kind(profile, key=settings.key, url=settings.openai_url)


def _anthropic_batches(profile: ModelProfile, settings: ProviderSettings) -> BatchProvider:
    from gateway.providers.batching.anthropic import AnthropicBatches

    return AnthropicBatches(profile, key=settings.key, url=settings.anthropic_url)


def _gemini(profile: ModelProfile, settings: ProviderSettings) -> Provider:
    from gateway.providers.gemini import GeminiProvider

    return GeminiProvider(profile, key=settings.key, url=settings.gemini_url)


def _bedrock(profile: ModelProfile, settings: ProviderSettings) -> Provider:
    from gateway.providers.bedrock import BedrockProvider

    return BedrockProvider(profile, access=_aws_access(settings), guardrail=settings.bedrock_guardrail)


def _aws_access(settings: ProviderSettings) -> AwsAccess:
    from gateway.providers.aws import AwsAccess

    held = settings.credential
    key_id, token = held.key_id, held.token.reveal()
    return AwsAccess(settings.bedrock_region, settings.bedrock_url, key_id, settings.key, token)


def _mistral(profile: ModelProfile, settings: ProviderSettings) -> Provider:
    from gateway.providers.mistral import MistralProvider

    return MistralProvider(profile, key=settings.key, url=settings.mistral_url)


def _azure(profile: ModelProfile, settings: ProviderSettings) -> Provider:
    from gateway.providers.azure import azure_provider

    return azure_provider(profile, url=settings.azure_url, key=settings.key, api=settings.azure_api)


def _compatible(profile: ModelProfile, settings: ProviderSettings) -> Provider:
    from gateway.providers.compatible import CompatibleProvider

    return CompatibleProvider(profile, key=settings.key, url=settings.compatible_url, front=settings.front)


def _openai_embedding(profile: EmbeddingProfile, settings: ProviderSettings) -> EmbeddingProvider:
    from gateway.providers.embedding import OpenAIEmbedder

    return OpenAIEmbedder(profile, key=settings.key, url=settings.openai_url)


def _gemini_embedding(profile: EmbeddingProfile, settings: ProviderSettings) -> EmbeddingProvider:
    from gateway.providers.embedding import GeminiEmbedder

    return GeminiEmbedder(profile, key=settings.key, url=settings.gemini_url)


def _mistral_embedding(profile: EmbeddingProfile, settings: ProviderSettings) -> EmbeddingProvider:
    from gateway.providers.embedding import MistralEmbedder

    return MistralEmbedder(profile, key=settings.key, url=settings.mistral_url)


def _bedrock_embedding(profile: EmbeddingProfile, settings: ProviderSettings) -> EmbeddingProvider:
    from gateway.providers.embedding import BedrockEmbedder

    return BedrockEmbedder(profile, access=_aws_access(settings))


def _sentence_transformers(profile: EmbeddingProfile, _settings: ProviderSettings) -> EmbeddingProvider:
    from gateway.providers.sentence_transformers import shared

    return shared(profile)


ADAPTERS: dict[str, Callable[[ModelProfile, ProviderSettings], Provider]] = {
    "extractive": _extractive,
    "template": _template,
    "openai": _openai,
    "anthropic": _anthropic,
    "gemini": _gemini,
    "bedrock": _bedrock,
    "mistral": _mistral,
    "azure": _azure,
    "compatible": _compatible,
}
EMBEDDERS: dict[str, Callable[[EmbeddingProfile, ProviderSettings], EmbeddingProvider]] = {
    "sentence_transformers": _sentence_transformers,
    "openai": _openai_embedding,
    "gemini": _gemini_embedding,
    "mistral": _mistral_embedding,
    "bedrock": _bedrock_embedding,
}
BATCHERS: dict[str, Callable[[ModelProfile, ProviderSettings], BatchProvider]] = {
    "openai": _openai_batches,
    "anthropic": _anthropic_batches,
}
