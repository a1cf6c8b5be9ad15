"""Why a call goes where it goes. The router takes its candidates from here, `manage.py explain_route`
and the admin's preview print the same steps: there is no second copy of the rules.

Pure but for the settings: the policy is given, and `waits` says how long a model's circuit is open.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property

from gateway.conf import configured
from gateway.degraded import with_last_resorts
from gateway.errors import (
    GatewayError,
    NoCandidate,
    ProviderNotAllowed,
    TaskOff,
    UnknownModel,
    UnpricedModel,
    Unsupported,
)
from gateway.fitting import lacking
from gateway.metering import most, prompt_tokens
from gateway.profiles import LOCAL, EmbeddingProfile, ModelProfile, embedding_profile
from gateway.routing.catalogue import configured_profile, expanded, reached
from gateway.routing.policy import WRITES_FREELY, EffectivePolicy, Option, Rule
from gateway.types import JSON, Call

TAKEN, LAST_RESORT, NAMED = "taken", "last_resort", "named"
LATE = frozenset({"context_too_long", "circuit_open"})  # taken all the same, after the others
UNTELLING = frozenset({"quotes_only", "repeated"})  # beside another reason, no reason for a refusal
REFUSALS: dict[str, type[GatewayError]] = {
    "unknown_model": UnknownModel,
    "provider_not_allowed": ProviderNotAllowed,
    "region_not_allowed": ProviderNotAllowed,
    "language_model_off": TaskOff,
    "unpriced_model": UnpricedModel,
    "unsupported": Unsupported,
}
Waits = Callable[[str], float]
Why = tuple[str, str]  # code and sentence


@dataclass(frozen=True)
class Step:
    """One candidate. `place` is its number in the order in which they are tried, 0 for one that is
    skipped. `weight` is 0 where nothing is drawn."""

    model: str
    code: str
    reason: str
    profile: ModelProfile | None = None
    weight: int = 0
    place: int = 0

    @property
    def taken(self) -> bool:
        return self.place > 0

    def as_json(self) -> JSON:
        provider = self.profile.provider if self.profile else ""
        named = {"model": self.model, "provider": provider, "taken": self.taken, "place": self.place or None}
        return {**named, "code": self.code, "reason": self.reason, "weight": self.weight or None}


@dataclass(frozen=True)
class Explanation:
    """All steps, those taken first and in their order. `source` says whose rule it is."""

    version: str
    source: str
    weighted: bool
    steps: list[Step]
    refusal: GatewayError | None = None

    @property
    def profiles(self) -> list[ModelProfile]:
        return [step.profile for step in self.steps if step.taken and step.profile]

    @property
    def passed_over(self) -> list[Step]:
        """Those left alone because another can be asked; where none can, each says so when it is tried."""
        can = any(step.code not in LATE and _generates(step) for step in self.steps if step.taken)
        return [step for step in self.steps if can and step.code == "circuit_open"]

    def as_json(self) -> JSON:
        refusal = self.refusal and {"code": self.refusal.code, "detail": self.refusal.detail}
        return {
            "policy_version": self.version,
            "source": self.source,
            "choice": "weighted" if self.weighted else "ordered",
            "order": [step.model for step in self.steps if step.taken],
            "candidates": [step.as_json() for step in self.steps],
            "refusal": refusal,
        }


def explain(call: Call, policy: EffectivePolicy, waits: Waits) -> Explanation:
    """Every candidate of the call's task, or the model that the call names, with what becomes of it."""
    rule, source = policy.rules.get(call.options.task, (Rule(()), policy.version))
    asked = _Asked(call, policy, rule, waits)
    steps = [asked.named(call.options.model)] if call.options.model else asked.listed()
    route = _ordered(steps, call, weighted=rule.weighted)
    resorts = with_last_resorts(call, [step.profile for step in route if step.profile])[len(route) :]
    resorts = [profile for profile in resorts if barred(profile, policy) is None]
    skipped = [step for step in steps if step.code != TAKEN and step.code not in LATE and step.code != NAMED]
    unpriced = any(step.code == "unpriced_model" for step in skipped) and not any(map(_generates, route))
    if unpriced or not (route or resorts):
        return Explanation(policy.version, source, rule.weighted, skipped, _refusal(call, skipped, unpriced=unpriced))
    route += [_last_resort(profile) for profile in resorts]
    placed = [replace(step, place=place) for place, step in enumerate(route, 1)]
    return Explanation(policy.version, source, rule.weighted and not call.options.model, [*placed, *skipped])


def barred(profile: ModelProfile | EmbeddingProfile, policy: EffectivePolicy) -> Why | None:
    """Why no text of the tenant may go to where the model runs, or None. What runs within this
    process is never barred: nothing leaves. What quotes compares sentences by the embedding model, and
    so goes where that runs."""
    if policy.providers is None and policy.regions is None:
        return None
    if isinstance(profile, ModelProfile) and profile.quotes:
        profile = embedding_profile(configured().embedding_model)
    if profile.provider in LOCAL:
        return None
    if policy.providers is not None and profile.provider not in policy.providers:
        return "provider_not_allowed", f"the policy does not allow the provider {profile.provider}"
    region = getattr(profile, "region", "")  # embedding profiles name none
    if policy.regions is not None and region not in policy.regions:
        where = f"runs in {region}" if region else "has no known region"
        return "region_not_allowed", f"it {where}, and the policy allows {_words(sorted(policy.regions))}"
    return None


@dataclass
class _Asked:
    """The rules, each a method that says why a candidate is not taken, or None."""

    call: Call
    policy: EffectivePolicy
    rule: Rule
    waits: Waits
    seen: set[str] = field(default_factory=set)

    @cached_property
    def tokens(self) -> int:
        return prompt_tokens(self.call)

    def listed(self) -> list[Step]:
        """A group may well hold what stands before it; only a model that is named twice is worth a word."""
        steps = []
        for option in self.rule.options:
            for name in expanded(option.model):
                if name == option.model or name not in self.seen:
                    steps.append(self.step(option, name))
        return steps

    def named(self, model: str) -> Step:
        """Naming a model passes over the order and its conditions, not over what protects the text."""
        try:
            profile = configured_profile(model)
        except UnknownModel as error:
            return Step(model, error.code, error.detail)
        own = [option for option in self.rule.options if model in expanded(option.model)]
        refused = [self._classification(option) for option in own]
        why = self._task(profile) or barred(profile, self.policy) or (refused and all(refused) and refused[0]) or None
        why = why or self._price(profile) or self._ability(profile)
        return Step(model, *(why or (NAMED, "the call names it")), profile)

    def step(self, option: Option, model: str) -> Step:
        weight = option.weight if self.rule.weighted else 0
        try:
            profile = configured_profile(model)
        except UnknownModel as error:
            return Step(model, error.code, error.detail, weight=weight)
        why = self._skip(option, profile) or self._late(profile) or (TAKEN, "it meets every condition")
        if why[0] in LATE or why[0] == TAKEN:
            if model in self.seen:
                why = "repeated", "it is in the order already"
            self.seen.add(model)
        return Step(model, *why, profile, weight)

    def _skip(self, option: Option, profile: ModelProfile) -> Why | None:
        return (
            self._task(profile)
            or barred(profile, self.policy)
            or self._classification(option)
            or self._conditions(option, profile)
            or self._reach(profile)
            or self._price(profile)
            or self._ability(profile)
            or self._cost(option, profile)
        )

    def _task(self, profile: ModelProfile) -> Why | None:
        task = self.call.options.task
        if profile.generates and task in self.policy.off:
            return "language_model_off", f"the policy lets no language model do the task {task.value}"
        if not profile.generates and task in WRITES_FREELY and not self.call.options.model:
            return "quotes_only", f"it only quotes, and the task {task.value} wants words of the model's own"
        return None

    def _classification(self, option: Option) -> Why | None:
        found = self.call.caller.classification
        if not option.classifications or found in option.classifications:
            return None
        return "classification", f"it is for {_words(option.classifications)} text, and this is {found.value}"

    def _conditions(self, option: Option, profile: ModelProfile) -> Why | None:
        if option.regions and profile.region not in option.regions:
            where = f"runs in {profile.region}" if profile.region else "has no known region"
            return "region", f"it {where}, and the candidate is for {_words(option.regions)}"
        unasked = [each for each in option.abilities if not self._wants(each)]
        if unasked:
            return "not_needed", f"it is for calls with {_words(option.abilities)}, and this has no {_words(unasked)}"
        if self.tokens < option.min_tokens:
            return "too_short", f"it is for prompts from {option.min_tokens} tokens, and this has about {self.tokens}"
        if option.max_tokens and self.tokens > option.max_tokens:
            return "too_long", f"it is for prompts up to {option.max_tokens} tokens, and this has about {self.tokens}"
        return None

    def _wants(self, ability: str) -> bool:
        options = self.call.options
        wanted = {"tools": bool(options.tools), "json_schema": options.output is not None}
        wanted["images"] = any(message.images for message in self.call.messages)
        return wanted[ability]

    def _reach(self, profile: ModelProfile) -> Why | None:
        return None if reached(profile) else ("not_configured", f"the operator has set nothing for {profile.provider}")

    def _price(self, profile: ModelProfile) -> Why | None:
        return None if profile.price else ("unpriced_model", "it has no price, so no budget can hold it")

    def _ability(self, profile: ModelProfile) -> Why | None:
        missing = lacking(self.call, profile)
        return ("unsupported", f"it cannot {missing}") if missing else None

    def _cost(self, option: Option, profile: ModelProfile) -> Why | None:
        if option.max_cost is None or (bound := most(self.call, profile)) <= option.max_cost:
            return None
        return (
            "too_dear",
            f"the call could cost ${bound:f} with it, and the candidate is for up to ${option.max_cost:f}",
        )

    def _late(self, profile: ModelProfile) -> Why | None:
        """Not out of the route: the count of tokens is an estimate, and a circuit may close meanwhile."""
        if not profile.generates:
            return None
        if profile.context and self.tokens > profile.context:
            return (
                "context_too_long",
                f"the prompt has about {self.tokens} tokens, and it reads {profile.context}: tried late",
            )
        if (wait := self.waits(profile.id)) > 0:
            return "circuit_open", f"it failed too often and is left alone for {math.ceil(wait)} s: tried late"
        return None


def _ordered(steps: list[Step], call: Call, *, weighted: bool) -> list[Step]:
    """Those taken. A draw is made from the call's id alone, so that it comes out the same whoever
    repeats it (Efraimidis and Spirakis, "Weighted random sampling with a reservoir", 2006)."""
    taken = [step for step in steps if step.code in (TAKEN, NAMED)]
    late = [step for step in steps if step.code in LATE]
    if weighted:
        taken.sort(key=lambda step: _draw(call, step))
    first_quoting = next((at for at, step in enumerate(taken) if not _generates(step)), len(taken))
    return [*taken[:first_quoting], *late, *taken[first_quoting:]]


def _draw(call: Call, step: Step) -> float:
    drawn = int.from_bytes(hashlib.sha256(f"{call.id} {step.model}".encode()).digest()[:8], "big")
    return -math.log((drawn + 1) / (2**64 + 1)) / step.weight


def _refusal(call: Call, skipped: list[Step], *, unpriced: bool) -> GatewayError:
    """The error that all skipped candidates share, but for those that could never do such a task;
    otherwise one that lists why each was skipped."""
    kinds = {REFUSALS.get(step.code, NoCandidate) for step in skipped if step.code not in UNTELLING}
    said = "; ".join(f"{step.model}: {step.reason}" for step in skipped) or "the policy names none"
    kind = UnpricedModel if unpriced else kinds.pop() if len(kinds) == 1 else NoCandidate
    return kind(f"no model may take the task {call.options.task.value!r}: {said}")


def _last_resort(profile: ModelProfile) -> Step:
    return Step(profile.id, LAST_RESORT, "it answers from the sources when no other could", profile)


def _generates(step: Step) -> bool:
    return step.profile is not None and step.profile.generates


def _words(names: Iterable[str]) -> str:
    return " or ".join(names)
