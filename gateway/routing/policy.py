"""A routing policy as a value, and as the JSON that is stored of it. Pure: no database, no settings.

A document reads, every part of it optional:

    {"providers": ["openai"], "regions": ["eu"], "language_model_off": ["rewrite"],
     "limits": {"tenant": {"requests": 600, "tokens": 200000}, "user": {"requests": 20}},
     "tasks": {"answer": {"choice": "weighted", "candidates": [
         {"model": "gpt-6-luna", "weight": 3, "classifications": ["public"], "regions": ["eu"],
          "abilities": ["tools"], "min_tokens": 1, "max_tokens": 20000, "max_cost_usd": "0.01"}]}}}

What is left out does not restrict; a task that is left out follows the operator's default.
`CONFIGURED` and `SMALL` stand in the place of a model for the models that the installation has.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from gateway.limits.rates import Rates
from gateway.types import JSON, Classification, Task

BUILT_IN_FILE = Path(__file__).with_name("default.json")
CONFIGURED, SMALL = "@configured", "@small"
ROUTED = tuple(task for task in Task if task != Task.EMBED)  # vectors of two models never mix: no choice there
# Tasks for a language model: quoting is no answer to them.
WRITES_FREELY = frozenset({Task.REWRITE, Task.CLASSIFY, Task.SUMMARISE, Task.EXTRACT, Task.JUDGE})
ABILITIES = ("tools", "images", "json_schema")
MOST_CANDIDATES = 20  # of one task


class PolicyInvalid(Exception):
    """`problems` are (place, sentence); a place reads like `answer.2`, for the second candidate."""

    code = "policy_invalid"

    def __init__(self, problems: list[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{place}: {said}" if place else said for place, said in problems))
        self.problems = problems


@dataclass(frozen=True)
class Option:
    """One candidate and when it may be taken: for a call of one of `classifications`, by a model in
    one of `regions`, for a call that wants all `abilities`, whose prompt has from `min_tokens` to
    `max_tokens`, and which can cost at most `max_cost` US dollars. Empty, 0 and None do not restrict."""

    model: str
    weight: int = 1
    classifications: tuple[Classification, ...] = ()
    regions: tuple[str, ...] = ()
    abilities: tuple[str, ...] = ()
    min_tokens: int = 0
    max_tokens: int = 0
    max_cost: Decimal | None = None


@dataclass(frozen=True)
class Rule:
    """The candidates of a task, in the order in which they are tried, or drawn by weight."""

    options: tuple[Option, ...]
    weighted: bool = False


@dataclass(frozen=True)
class Policy:
    """`providers` and `regions` None: all. `off` are the tasks that no language model may do."""

    rules: Mapping[Task, Rule] = field(default_factory=dict)
    providers: frozenset[str] | None = None
    regions: frozenset[str] | None = None
    off: frozenset[Task] = frozenset()
    tenant_rates: Rates = field(default=Rates())
    user_rates: Rates = field(default=Rates())


@dataclass(frozen=True)
class EffectivePolicy:
    """What holds for one tenant: its own policy within the operator's. `rules` say for each task
    whose they are. `version` names both, and stands in the audit record."""

    version: str
    rules: Mapping[Task, tuple[Rule, str]]
    providers: frozenset[str] | None
    regions: frozenset[str] | None
    off: frozenset[Task]
    tenant_rates: Rates
    user_rates: Rates


def combined(default: Policy, default_version: str, own: Policy | None, own_version: int) -> EffectivePolicy:
    """A tenant chooses the candidates, and can narrow what the operator allows, but not widen it."""
    version = f"default {default_version}"
    rules = {task: (rule, version) for task, rule in {**built_in().rules, **default.rules}.items()}
    if own is None:
        own = Policy()
    else:
        rules |= {task: (rule, f"tenant {own_version}") for task, rule in own.rules.items()}
        version = f"tenant {own_version}, {version}"
    held = within(default, own)
    return EffectivePolicy(version, rules, held.providers, held.regions, held.off, held.tenant_rates, held.user_rates)


def within(default: Policy, own: Policy) -> Policy:
    """A tenant's policy with only what the operator's leaves of it."""
    return replace(
        own,
        providers=_narrowed(default.providers, own.providers),
        regions=_narrowed(default.regions, own.regions),
        off=default.off | own.off,
        tenant_rates=default.tenant_rates.within(own.tenant_rates),
        user_rates=default.user_rates.within(own.user_rates),
    )


@cache
def built_in() -> Policy:
    """The default that comes with the product."""
    return parsed(json.loads(BUILT_IN_FILE.read_text()))


@cache
def built_in_version() -> str:
    return f"built-in {digest(document(built_in()))[:8]}"


def digest(written: JSON) -> str:
    return sha256(json.dumps(written, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def document(policy: Policy) -> JSON:
    """The policy as it is stored; what does not restrict is left out."""
    limits = {"tenant": _limits(policy.tenant_rates), "user": _limits(policy.user_rates)}
    written = {
        "providers": None if policy.providers is None else sorted(policy.providers),
        "regions": None if policy.regions is None else sorted(policy.regions),
        "language_model_off": [task.value for task in ROUTED if task in policy.off] or None,
        "limits": {whose: rates for whose, rates in limits.items() if rates} or None,
        "tasks": {task.value: _rule(policy.rules[task]) for task in ROUTED if task in policy.rules} or None,
    }
    return {name: value for name, value in written.items() if value is not None}


def parsed(written: JSON) -> Policy:
    """The policy that a document describes. Raises `PolicyInvalid` for one of another form."""
    try:
        limits, tasks = written.get("limits", {}), written.get("tasks", {})
        return Policy(
            rules={Task(name): _parsed_rule(rule) for name, rule in tasks.items()},
            providers=_set(written.get("providers")),
            regions=_set(written.get("regions")),
            off=frozenset(Task(name) for name in written.get("language_model_off", ())),
            tenant_rates=Rates(**limits.get("tenant", {})),
            user_rates=Rates(**limits.get("user", {})),
        )
    except (KeyError, TypeError, ValueError, AttributeError, InvalidOperation) as error:
        raise PolicyInvalid([("", f"not the form of a routing policy: {error}")]) from None


def _rule(rule: Rule) -> JSON:
    candidates = [_option(option, weighted=rule.weighted) for option in rule.options]
    return {"choice": "weighted" if rule.weighted else "ordered", "candidates": candidates}


def _option(option: Option, *, weighted: bool) -> JSON:
    written: JSON = {
        "model": option.model,
        "weight": option.weight if weighted else None,
        "classifications": [each.value for each in option.classifications],
        "regions": list(option.regions),
        "abilities": list(option.abilities),
        "min_tokens": option.min_tokens,
        "max_tokens": option.max_tokens,
        "max_cost_usd": None if option.max_cost is None else f"{option.max_cost:f}",
    }
    return {name: value for name, value in written.items() if value not in (None, [], 0)}


def _parsed_rule(rule: JSON) -> Rule:
    return Rule(tuple(map(_parsed_option, rule["candidates"])), rule.get("choice", "ordered") == "weighted")


def _parsed_option(written: JSON) -> Option:
    cost = written.get("max_cost_usd")
    return Option(
        model=written["model"],
        weight=int(written.get("weight", 1)),
        classifications=tuple(map(Classification, written.get("classifications", ()))),
        regions=tuple(written.get("regions", ())),
        abilities=tuple(written.get("abilities", ())),
        min_tokens=int(written.get("min_tokens", 0)),
        max_tokens=int(written.get("max_tokens", 0)),
        max_cost=None if cost is None else Decimal(cost),
    )


def _limits(rates: Rates) -> JSON:
    named = {"requests": rates.requests, "tokens": rates.tokens}
    return {name: int(value) for name, value in named.items() if value is not None}


def _set(names: Any) -> frozenset[str] | None:
    return None if names is None else frozenset(map(str, names))


def _narrowed(one: frozenset[str] | None, other: frozenset[str] | None) -> frozenset[str] | None:
    return other if one is None else one if other is None else one & other
