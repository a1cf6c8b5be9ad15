"""Which models may take a call, in the order in which they are tried."""

from __future__ import annotations

from dataclasses import replace

from gateway.conf import configured
from gateway.errors import NoCandidate
from gateway.profiles import EmbeddingProfile, ModelProfile, completion_profile, embedding_profile
from gateway.types import Call, EmbeddingCall, Task

WRITES_FREELY = frozenset({Task.REWRITE})  # tasks for a language model: quoting is no answer to them


def candidates(call: Call) -> list[ModelProfile]:
    """The model that the call names, alone; otherwise the configured ones that can do its task.

    Raises `UnknownModel`, or `NoCandidate` when none of them can.
    """
    if call.options.model:
        return [configured_profile(call.options.model)]
    profiles = [configured_profile(name) for name in configured().answer_models]
    if call.options.task in WRITES_FREELY:
        profiles = [profile for profile in profiles if profile.generates]
    if not profiles:
        raise NoCandidate(f"no configured model can take the task {call.options.task.value!r}")
    return profiles


def configured_profile(profile_id: str) -> ModelProfile:
    """The profile, completed by the settings where it is of the operator's own server or deployment.
    Raises `UnknownModel`."""
    profile, conf = completion_profile(profile_id), configured()
    if profile.provider == "azure":  # a deployment is named by its operator; what it can do is its model's
        model = completion_profile(conf.azure_model)
        return replace(model, id=profile.id, provider=profile.provider, model=conf.azure_deployment)
    if not profile.operators:
        return profile
    return replace(
        profile,
        model=conf.compatible_model,
        context=conf.compatible_context,
        price=conf.compatible_price,
        first_token_timeout=conf.compatible_timeout,
        tools="tools" in conf.compatible_abilities,
        images="images" in conf.compatible_abilities,
        json_schema="json_schema" in conf.compatible_abilities,
    )


def embedding_candidate(call: EmbeddingCall) -> EmbeddingProfile:
    """The model that the call names, or the configured one: vectors of two models never mix, so
    there is no second choice. Raises `UnknownModel`."""
    return embedding_profile(call.model or configured().embedding_model)
