"""The gateway's settings, typed. `config/gateway.py` builds the value from the environment."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from gateway.credentials.secret import Credential
from gateway.credentials.source import GivenKeys, Origin
from gateway.limits.rates import Rates
from gateway.profiles import Price, completion_profiles
from gateway.providers.fronts import KINDS, NO_FRONT, Front

FREE = Price(Decimal(0), Decimal(0), Decimal(0))
FIRST = {
    "openai": "gpt-6-luna",
    "anthropic": "claude-haiku-5-5",
    "gemini": "gemini-3.5-flash-lite",
    "bedrock": "bedrock-nova-2-lite",
    "mistral": "mistral-small-4",
    "azure": "azure",
    "compatible": "compatible",
}
NEEDED = {
    "openai": "OPENAI_API_KEY",
    "anthropic": "ANTHROPIC_API_KEY",
    "gemini": "GEMINI_API_KEY",
    "bedrock": "CITEDESK_BEDROCK_REGION",
    "mistral": "MISTRAL_API_KEY",
    "azure": "CITEDESK_AZURE_URL",
    "compatible": "CITEDESK_COMPATIBLE_URL",
}
KEYS = {
    "openai": "OPENAI_API_KEY",
    "anthropic": "ANTHROPIC_API_KEY",
    "gemini": "GEMINI_API_KEY",
    "bedrock": "CITEDESK_BEDROCK_KEY",
    "mistral": "MISTRAL_API_KEY",
    "azure": "AZURE_OPENAI_API_KEY",
    "compatible": "CITEDESK_COMPATIBLE_KEY",
}


@dataclass(frozen=True)
class GatewaySettings:
    """`answer_models` are profile ids in the order in which they are tried. Keys never show in
    the repr (T12); a `…_key` may list several, and `credentials` are those providers' that have none but
    another origin. `data_dir` holds the audit's anchor. What begins with `compatible_` is of the
    operator's own server: its price is 0 unless he says otherwise, because nobody bills him.
    `budget_wait` is how many seconds a call waits for money that others hold. `webhook_loopback` lets webhooks
    go to this machine, and without TLS. `provider_rates` are for each key of each model, until the
    provider says less; `limit_wait` is how many seconds a call waits for its turn.
    `cleared_providers` may read texts as they are, where a tenant has no policy of its own;
    `redaction_seconds` is how long a call waits for what has to be taken out of it.
    Of answers that are kept to be given again, each tenant has at most `cache_entries`, 0 for none;
    `cache_wait` is how many seconds a call waits for another that asks the same.
    Without `redis_url`, circuits and limits are shared through PostgreSQL."""

    data_dir: Path
    audit_key: str
    answer_models: tuple[str, ...]
    embedding_model: str
    monthly_budget: Decimal
    openai_key: str = ""
    openai_url: str = ""
    openai_api: str = "responses"
    anthropic_key: str = ""
    anthropic_url: str = ""
    gemini_key: str = ""
    gemini_url: str = ""
    bedrock_region: str = ""
    bedrock_url: str = ""
    bedrock_key_id: str = ""
    bedrock_secret_key: str = ""
    bedrock_guardrail: str = ""
    mistral_key: str = ""
    mistral_url: str = ""
    azure_key: str = ""
    azure_url: str = ""
    azure_api: str = "responses"
    azure_deployment: str = ""
    azure_model: str = ""
    azure_region: str = ""
    compatible_url: str = ""
    compatible_model: str = ""
    compatible_key: str = ""
    compatible_context: int = 8192
    compatible_timeout: int = 120
    compatible_abilities: tuple[str, ...] = ()
    compatible_price: Price = field(default=FREE)
    compatible_region: str = ""
    credentials: tuple[tuple[str, Origin], ...] = ()
    front: Front = NO_FRONT
    reservation_seconds: int = 600
    timestamp_url: str = ""
    timestamp_roots: str = ""
    budget_wait: float = 5.0
    webhook_loopback: bool = False
    redis_url: str = field(default="", repr=False)
    provider_rates: Rates = field(default=Rates())
    tenant_rates: Rates = field(default=Rates())
    user_rates: Rates = field(default=Rates())
    limit_wait: float = 15.0
    batch_limit_wait: float = 300.0
    cleared_providers: tuple[str, ...] = ()
    redaction_detector: str = "patterns"
    presidio_model: str = "en_core_web_sm"
    redaction_seconds: float = 10.0
    cache_entries: int = 2000
    cache_wait: float = 8.0

    def __repr__(self) -> str:
        return f"GatewaySettings(answer_models={self.answer_models}, embedding_model={self.embedding_model!r})"

    __str__ = __repr__

    def reaches(self, provider: str) -> bool:
        """Whether there is the key or the address without which the provider cannot be asked."""
        if provider in ADDRESSED:
            return bool(ADDRESSED[provider](self))
        return provider in dict(self.credentials) or bool(GIVEN.get(provider, _nothing)(self))

    def origin(self, provider: str) -> Origin:
        """Where the provider's credentials come from."""
        key_id = self.bedrock_key_id if provider == "bedrock" else ""
        given = GivenKeys(KEYS.get(provider, "no key"), GIVEN.get(provider, _nothing)(self), key_id)
        return dict(self.credentials).get(provider, given)

    def account(self, provider: str, credential: Credential) -> str:
        """What tells one account at the provider from another: its key, and where the account is
        known by an address or region, that too. A secret; empty for a provider that has none."""
        where = {"bedrock": self.bedrock_region, "azure": self.azure_url}.get(provider, "")
        return f"{where} {credential.account}".strip()


def _nothing(_conf: GatewaySettings) -> str:
    return ""


GIVEN: dict[str, Callable[[GatewaySettings], str]] = {
    "openai": lambda conf: conf.openai_key,
    "anthropic": lambda conf: conf.anthropic_key,
    "gemini": lambda conf: conf.gemini_key,
    "bedrock": lambda conf: conf.bedrock_secret_key,
    "mistral": lambda conf: conf.mistral_key,
    "azure": lambda conf: conf.azure_key,
    "compatible": lambda conf: conf.compatible_key,
}
ADDRESSED: dict[str, Callable[[GatewaySettings], str]] = {
    "bedrock": lambda conf: conf.bedrock_region,
    "azure": lambda conf: conf.azure_url,
    "compatible": lambda conf: conf.compatible_url,
}
ABILITIES = ("tools", "images", "json_schema")


def abilities(named: Sequence[str]) -> tuple[str, ...]:
    """What the operator's own server can do beside text. Raises `ImproperlyConfigured`."""
    for name in named:
        if name not in ABILITIES:
            raise ImproperlyConfigured(
                f"CITEDESK_COMPATIBLE_ABILITIES names {name!r}, which is not one of: {', '.join(ABILITIES)}."
            )
    return tuple(named)


def answer_models(named: Sequence[str], reachable: Mapping[str, bool]) -> tuple[str, ...]:
    """The profiles to try: those `named`, or the first of what the keys and addresses set reach,
    and quoting as the last resort. A server of the operator's own is never backed by a hosted one
    that nobody named: its text may not be meant to leave the house.

    Raises `ImproperlyConfigured` for a profile that does not exist or whose provider has no key.
    """
    if not named:
        hosted = [profile for name, profile in FIRST.items() if name != "compatible" and reachable.get(name)]
        return (*([FIRST["compatible"]] if reachable["compatible"] else hosted), "extractive")
    for name in named:
        profile = completion_profiles().get(name)
        if profile is None:
            known = ", ".join(completion_profiles())
            raise ImproperlyConfigured(f"CITEDESK_ANSWER_MODELS names {name!r}; the profiles are: {known}.")
        if not reachable.get(profile.provider, True):
            raise ImproperlyConfigured(
                f"CITEDESK_ANSWER_MODELS names {name!r}, but {NEEDED[profile.provider]} is not set."
            )
    return tuple(named)


def cleared_providers(named: Sequence[str]) -> tuple[str, ...]:
    """The providers that may read texts as they are. Raises `ImproperlyConfigured`."""
    for name in named:
        if name not in NEEDED:
            raise ImproperlyConfigured(
                f"CITEDESK_CLEARED_PROVIDERS names {name!r}, which is not one of: {', '.join(NEEDED)}."
            )
    return tuple(named)


def front(name: str, key: str, headers: str) -> Front:
    """The gateway in front of the providers; `headers` is a JSON object. Raises `ImproperlyConfigured`."""
    if not name:
        if key or headers:
            raise ImproperlyConfigured("CITEDESK_FRONT must name the gateway that CITEDESK_FRONT_KEY is for.")
        return NO_FRONT
    if name not in KINDS:
        raise ImproperlyConfigured(f"CITEDESK_FRONT={name!r} is not one of: {', '.join(KINDS)}.")
    try:
        named = json.loads(headers or "{}")
    except ValueError:
        named = None
    if not isinstance(named, dict) or not all(isinstance(value, str) for value in named.values()):
        raise ImproperlyConfigured(
            'CITEDESK_FRONT_HEADERS is no JSON object of texts, such as {"x-portkey-provider": "openai"}.'
        )
    return Front(name, key, tuple(named.items()))


def configured() -> GatewaySettings:
    return settings.GATEWAY
