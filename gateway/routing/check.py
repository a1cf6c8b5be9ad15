"""Whether a policy makes sense with the models that there are, said so that its author can mend it."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.conf import NEEDED
from gateway.errors import UnknownModel
from gateway.limits.rates import Rates
from gateway.profiles import LOCAL, ModelProfile
from gateway.routing.catalogue import GROUPS, configured_profile, hosted_providers, reached, regions
from gateway.routing.policy import ABILITIES, MOST_CANDIDATES, ROUTED, WRITES_FREELY, Option, Policy, Rule, within
from gateway.types import Task, Usage

MOST_WEIGHT = 1_000_000
Problem = tuple[str, str]  # place and sentence, as in `PolicyInvalid`


def problems(policy: Policy, default: Policy | None) -> list[Problem]:
    """All of them; `default` is the operator's, which a tenant's policy must leave something of."""
    effective = policy if default is None else within(default, policy)
    return [
        *_unknown("providers", policy.providers, hosted_providers()),
        *_unknown("regions", policy.regions, regions()),
        *_rates("limits.tenant", policy.tenant_rates),
        *_rates("limits.user", policy.user_rates),
        *(_narrowed_to_nothing(policy, default) if default else ()),
        *(problem for task, rule in policy.rules.items() for problem in _of_rule(task, rule, effective)),
    ]


def _unknown(place: str, named: frozenset[str] | None, known: list[str]) -> Iterator[Problem]:
    for name in sorted(named or ()):
        if name not in known:
            yield place, f"{name!r} is not one of: {', '.join(known)}"


def _rates(place: str, rates: Rates) -> Iterator[Problem]:
    for name, value in (("requests", rates.requests), ("tokens", rates.tokens)):
        if value is not None and not 1 <= value <= 1_000_000_000:
            yield f"{place}.{name}", "a limit is a whole number from 1 on; leave it empty for none"


def _narrowed_to_nothing(policy: Policy, default: Policy) -> Iterator[Problem]:
    for place, own, allowed in (
        ("providers", policy.providers, default.providers),
        ("regions", policy.regions, default.regions),
    ):
        refused = sorted((own or frozenset()) - allowed) if allowed is not None else []
        if refused:
            yield place, f"the operator does not allow {', '.join(refused)}"


def _of_rule(task: Task, rule: Rule, policy: Policy) -> Iterator[Problem]:
    if task not in ROUTED:
        yield task.value, "this task is not routed by a policy"
    elif not rule.options:
        yield task.value, "name at least one candidate, or leave the task to the operator's default"
    elif len(rule.options) > MOST_CANDIDATES:
        yield task.value, f"at most {MOST_CANDIDATES} candidates, please"
    for number, option in enumerate(rule.options, 1):
        found = _of_option(option) or _never(task, option, policy)
        if found:
            yield f"{task.value}.{number}", f"{option.model}: {found}"


def _of_option(option: Option) -> str:
    """What is wrong with a candidate whatever the call."""
    if option.model not in GROUPS:
        try:
            profile = configured_profile(option.model)
        except UnknownModel:
            return "there is no such model"
        if profile.price is None:
            return "it has no price, so no budget can hold it; the operator sets one in gateway/profiles.json"
        if not reached(profile):
            return f"{NEEDED[profile.provider]} is not set, so it cannot be reached"
    if not 1 <= option.weight <= MOST_WEIGHT:
        return f"a weight is a whole number from 1 to {MOST_WEIGHT}"
    if option.min_tokens < 0 or option.max_tokens < 0:
        return "a number of tokens is not negative"
    unknown = [name for name in option.abilities if name not in ABILITIES]
    return f"{unknown[0]!r} is not one of: {', '.join(ABILITIES)}" if unknown else ""


def _never(task: Task, option: Option, policy: Policy) -> str:
    """Why no call can ever meet the candidate, or nothing. A task that is switched off keeps its
    candidates for when it is switched on; what a group stands for is the operator's to change."""
    if option.max_tokens and option.min_tokens > option.max_tokens:
        return "no prompt has at least as many tokens as the lower bound and at most as many as the upper one"
    if option.model in GROUPS:
        return ""
    return _never_taken(task, option, configured_profile(option.model), policy)


def _never_taken(task: Task, option: Option, profile: ModelProfile, policy: Policy) -> str:
    if task in WRITES_FREELY and not profile.generates:
        return f"it only quotes, and the task {task.value} wants words of the model's own"
    where = f"it runs in {profile.region or 'no known region'}"
    if profile.provider not in LOCAL:
        if policy.providers is not None and profile.provider not in policy.providers:
            return f"its provider {profile.provider} is not among those allowed"
        if policy.regions is not None and profile.region not in policy.regions:
            return f"{where}, which is not among those allowed"
    if option.regions and profile.region not in option.regions:
        return (
            f"it runs in {profile.region or 'no known region'}, and the candidate is for {' or '.join(option.regions)}"
        )
    lacking = [name for name in option.abilities if not getattr(profile, name)]
    if lacking:
        return f"it is for calls with {' and '.join(lacking)}, which the model cannot take"
    if profile.context and option.min_tokens > profile.context:
        return f"it is for prompts from {option.min_tokens} tokens, and the model reads {profile.context}"
    return _too_dear(option, profile)


def _too_dear(option: Option, profile: ModelProfile) -> str:
    """The least that any call costs: the shortest prompt that the candidate is for, and a token of output."""
    if option.max_cost is None or profile.price is None:
        return ""
    least = profile.price.cost(Usage(input_tokens=max(option.min_tokens, 1), output_tokens=1))
    return f"no call costs so little with it: at least ${least:f}" if least > option.max_cost else ""
