"""The gateway's settings, read from the environment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from config.credentials import given_keys, origins
from config.env import Env
from gateway.conf import KEYS, GatewaySettings, abilities, answer_models, cleared_providers, front
from gateway.limits.rates import Rates
from gateway.profiles import Price, completion_profiles


def gateway_settings(env: Env, *, data_dir: Path, redis_url: str, audit_key: str) -> GatewaySettings:
    """Raises `ImproperlyConfigured`, with a sentence that says what to set."""
    providers = {**_hosted(env), **_own_server(env)}
    given = {name: providers[f"{name}_key"] for name in KEYS if name != "bedrock"}
    elsewhere = origins(env, {**given, "bedrock": providers["bedrock_secret_key"]})
    addressed = {name: providers[f"{name}_url"] for name in ("azure", "compatible")}
    reachable = {**given, **dict(elsewhere), **addressed, "bedrock": providers["bedrock_region"]}
    conf = GatewaySettings(
        data_dir=data_dir,
        redis_url=redis_url,
        audit_key=audit_key,
        answer_models=answer_models(
            env.words("CITEDESK_ANSWER_MODELS"), {name: bool(value) for name, value in reachable.items()}
        ),
        embedding_model=env.text("CITEDESK_EMBEDDING_MODEL", "all-MiniLM-L6-v2"),
        monthly_budget=env.decimal("CITEDESK_MONTHLY_BUDGET_USD", "20"),
        provider_rates=_rates(env, "PROVIDER"),
        tenant_rates=_rates(env, "TENANT"),
        user_rates=_rates(env, "USER"),
        webhook_loopback=env.boolean("CITEDESK_WEBHOOK_LOOPBACK", False),
        cache_entries=env.integer("CITEDESK_CACHE_ENTRIES", 2000, low=0, high=1_000_000),
        cache_wait=env.integer("CITEDESK_CACHE_WAIT", 8, low=0, high=60),
        front=front(env.text("CITEDESK_FRONT"), env.text("CITEDESK_FRONT_KEY"), env.text("CITEDESK_FRONT_HEADERS")),
        timestamp_url=env.http_url("CITEDESK_TIMESTAMP_URL"),
        timestamp_roots=env.text("CITEDESK_TIMESTAMP_ROOTS"),
        cleared_providers=cleared_providers(env.words("CITEDESK_CLEARED_PROVIDERS")),
        redaction_detector=env.choice("CITEDESK_REDACTION_DETECTOR", "patterns", ("patterns", "presidio")),
        presidio_model=env.text("CITEDESK_PRESIDIO_MODEL", "en_core_web_sm"),
        credentials=elsewhere,
        **providers,
    )
    _refuse_halves(conf)
    return conf


def _rates(env: Env, of: str) -> Rates:
    return Rates(
        env.per_minute(f"CITEDESK_{of}_REQUESTS_PER_MINUTE"), env.per_minute(f"CITEDESK_{of}_TOKENS_PER_MINUTE")
    )


def _hosted(env: Env) -> dict[str, Any]:
    return {
        "openai_key": given_keys(env, "OPENAI_API_KEY"),
        "openai_url": env.http_url("CITEDESK_OPENAI_URL"),
        "openai_api": env.choice("CITEDESK_OPENAI_API", "responses", ("responses", "chat")),
        "anthropic_key": given_keys(env, "ANTHROPIC_API_KEY"),
        "anthropic_url": env.http_url("CITEDESK_ANTHROPIC_URL"),
        "gemini_key": given_keys(env, "GEMINI_API_KEY"),
        "gemini_url": env.http_url("CITEDESK_GEMINI_URL"),
        "bedrock_region": env.text("CITEDESK_BEDROCK_REGION"),
        "bedrock_url": env.http_url("CITEDESK_BEDROCK_URL"),
        "bedrock_key_id": env.text("CITEDESK_BEDROCK_KEY_ID"),
        "bedrock_secret_key": env.text("CITEDESK_BEDROCK_SECRET_KEY"),
        "bedrock_guardrail": env.text("CITEDESK_BEDROCK_GUARDRAIL"),
        "mistral_key": given_keys(env, "MISTRAL_API_KEY"),
        "mistral_url": env.http_url("CITEDESK_MISTRAL_URL"),
        "azure_key": given_keys(env, "AZURE_OPENAI_API_KEY"),
        "azure_url": env.http_url("CITEDESK_AZURE_URL"),
        "azure_api": env.choice("CITEDESK_AZURE_API", "responses", ("responses", "chat")),
        "azure_deployment": env.text("CITEDESK_AZURE_DEPLOYMENT"),
        "azure_model": env.text("CITEDESK_AZURE_MODEL"),
        "azure_region": env.text("CITEDESK_AZURE_REGION"),
    }


def _own_server(env: Env) -> dict[str, Any]:
    return {
        "compatible_url": env.http_url("CITEDESK_COMPATIBLE_URL"),
        "compatible_model": env.text("CITEDESK_COMPATIBLE_MODEL"),
        "compatible_key": given_keys(env, "CITEDESK_COMPATIBLE_KEY"),
        "compatible_context": env.integer("CITEDESK_COMPATIBLE_CONTEXT", 8192, low=1024, high=10_000_000),
        "compatible_timeout": env.integer("CITEDESK_COMPATIBLE_TIMEOUT", 120, low=1, high=3600),
        "compatible_region": env.text("CITEDESK_COMPATIBLE_REGION"),
        "compatible_abilities": abilities(env.words("CITEDESK_COMPATIBLE_ABILITIES")),
        "compatible_price": Price(
            input=env.decimal("CITEDESK_COMPATIBLE_INPUT_PRICE_USD", "0"),
            output=env.decimal("CITEDESK_COMPATIBLE_OUTPUT_PRICE_USD", "0"),
            cached_input=env.decimal("CITEDESK_COMPATIBLE_INPUT_PRICE_USD", "0"),
        ),
    }


def _refuse_halves(conf: GatewaySettings) -> None:
    """What goes together is set together."""
    if conf.timestamp_url and not conf.timestamp_roots:
        raise ImproperlyConfigured(
            "CITEDESK_TIMESTAMP_ROOTS must name a PEM file with the authority's root certificates."
        )
    if bool(conf.bedrock_key_id) != bool(conf.bedrock_secret_key):
        raise ImproperlyConfigured(
            "CITEDESK_BEDROCK_KEY_ID and CITEDESK_BEDROCK_SECRET_KEY go together: set both or none."
        )
    if (conf.bedrock_key_id or "bedrock" in dict(conf.credentials)) and not conf.bedrock_region:
        raise ImproperlyConfigured("CITEDESK_BEDROCK_REGION must be set, as keys or an identity for Bedrock are.")
    if conf.bedrock_guardrail and not conf.bedrock_guardrail.rpartition(":")[0]:
        raise ImproperlyConfigured("CITEDESK_BEDROCK_GUARDRAIL must read id:version, such as gr-abc123:1.")
    if conf.azure_url and not (conf.azure_key or "azure" in dict(conf.credentials)):
        raise ImproperlyConfigured(
            "CITEDESK_AZURE_URL needs AZURE_OPENAI_API_KEY or another origin of a key, or CITEDESK_AZURE_IDENTITY=1."
        )
    if conf.azure_url and not (conf.azure_deployment and conf.azure_model in completion_profiles()):
        raise ImproperlyConfigured(
            "CITEDESK_AZURE_DEPLOYMENT must name the deployment of CITEDESK_AZURE_URL, and CITEDESK_AZURE_MODEL the "
            "profile of the model that it serves, such as gpt-6-luna."
        )
    if conf.compatible_url and not conf.compatible_model:
        raise ImproperlyConfigured("CITEDESK_COMPATIBLE_MODEL must name the model that CITEDESK_COMPATIBLE_URL serves.")
