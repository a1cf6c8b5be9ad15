"""A policy in lines that people read, and what two versions of one differ in."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass

from gateway.limits.rates import Rates
from gateway.routing.policy import ROUTED, Option, Policy, Rule


@dataclass(frozen=True)
class Line:
    """`kind` is `added` or `removed`."""

    kind: str
    text: str


def difference(before: Policy, after: Policy) -> list[Line]:
    """Lines that went and lines that came, in the order of the policy."""
    old, new = list(lines(before)), list(lines(after))
    changes: list[Line] = []
    for tag, i, j, k, m in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag != "equal":
            changes += [*(Line("removed", text) for text in old[i:j]), *(Line("added", text) for text in new[k:m])]
    return changes


def lines(policy: Policy) -> Iterator[str]:
    for name, allowed in (("providers", policy.providers), ("regions", policy.regions)):
        if allowed is not None:
            yield f"{name}: {', '.join(sorted(allowed)) or 'none'}"
    for whose, rates in (("tenant", policy.tenant_rates), ("each user", policy.user_rates)):
        yield from _rates(whose, rates)
    for task in ROUTED:
        if task in policy.off:
            yield f"{task.value}: no language model"
        if task in policy.rules:
            yield from _rule(task.value, policy.rules[task])


def _rates(whose: str, rates: Rates) -> Iterator[str]:
    for what, value in (("calls", rates.requests), ("tokens", rates.tokens)):
        if value is not None:
            yield f"{whose}: at most {value:.0f} {what} a minute"


def _rule(task: str, rule: Rule) -> Iterator[str]:
    yield f"{task}: {'drawn by weight' if rule.weighted else 'in order'}"
    for number, option in enumerate(rule.options, 1):
        head = f"weight {option.weight}" if rule.weighted else f"{number}."
        yield f"{task}: {head} {option.model}{''.join(f', {each}' for each in _conditions(option))}"


def _conditions(option: Option) -> Iterator[str]:
    if option.classifications:
        yield f"for {' or '.join(option.classifications)} text"
    if option.regions:
        yield f"in {' or '.join(option.regions)}"
    if option.abilities:
        yield f"for calls with {' and '.join(option.abilities)}"
    if option.min_tokens:
        yield f"from {option.min_tokens} tokens"
    if option.max_tokens:
        yield f"up to {option.max_tokens} tokens"
    if option.max_cost is not None:
        yield f"up to ${option.max_cost:f} a call"
