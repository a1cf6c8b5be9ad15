"""What a policy can name: the models as the settings complete them, and the groups of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from gateway import profiles
from gateway.conf import NEEDED, configured
from gateway.errors import UnknownModel
from gateway.profiles import LOCAL, ModelProfile, completion_profile
from gateway.registry import ADAPTERS, EMBEDDERS
from gateway.routing.policy import CONFIGURED, SMALL

GROUPS = (CONFIGURED, SMALL)


def configured_profile(profile_id: str) -> ModelProfile:
    """The profile, completed by the settings where it is of the operator's own server or deployment.
    Raises `UnknownModel`."""
    profile, conf = completion_profile(profile_id), configured()
    if profile.provider == "azure":  # a deployment is named by its operator; what it can do is its model's
        model = completion_profile(conf.azure_model)
        return replace(
            model, id=profile.id, provider=profile.provider, model=conf.azure_deployment, region=conf.azure_region
        )
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
        region=conf.compatible_region,
    )


def expanded(model: str) -> Iterator[str]:
    """The profile ids that a candidate stands for."""
    if model == CONFIGURED:
        yield from configured().answer_models
    elif model == SMALL:
        yield from dict.fromkeys(filter(None, map(_small, configured().answer_models)))
    else:
        yield model


def reached(profile: ModelProfile) -> bool:
    """Whether the operator gave what the provider needs. What is configured was checked at the start."""
    conf = configured()
    return profile.provider not in NEEDED or profile.id in conf.answer_models or conf.reaches(profile.provider)


def hosted_providers() -> list[str]:
    """Those to which a text leaves this process."""
    return [name for name in dict.fromkeys([*ADAPTERS, *EMBEDDERS]) if name not in LOCAL]


def regions() -> list[str]:
    """Those in which some model is known to run."""
    conf, known = configured(), {each.region for each in profiles.completion_profiles().values()}
    return sorted(filter(None, known | {conf.azure_region, conf.compatible_region}))


def _small(profile_id: str) -> str | None:
    """The cheapest model of the same provider in the same region, so that a small task leaves for no
    other place than a large one. A model of the operator's own stands alone."""
    try:
        like = configured_profile(profile_id)
    except UnknownModel:
        return None
    if not like.generates or like.operators or like.provider == "azure":
        return profile_id if like.generates else None
    same = [
        each
        for each in profiles.completion_profiles().values()
        if (each.provider, each.region) == (like.provider, like.region) and each.price is not None
    ]
    cheapest = min(same, key=lambda each: each.price.output if each.price else 0, default=None)
    return cheapest.id if cheapest is not None and not _as_cheap(like, cheapest) else profile_id


def _as_cheap(one: ModelProfile, other: ModelProfile) -> bool:
    return one.price is not None and other.price is not None and one.price.output <= other.price.output
