"""Which models may take a call, in the order in which they are tried: by the policy that is in force for
its tenant. The rules themselves stand in `gateway.routing.explain`."""

from __future__ import annotations

from gateway.breaker.circuit import circuit_of
from gateway.conf import configured
from gateway.errors import ProviderNotAllowed
from gateway.profiles import EmbeddingProfile, ModelProfile, embedding_profile
from gateway.routing import policies
from gateway.routing.explain import barred, explain
from gateway.routing.policy import EffectivePolicy
from gateway.types import Call, EmbeddingCall, Trace


def candidates(call: Call) -> list[ModelProfile]:
    """`route` by the policy in force; for synchronous code."""
    return route(call, policies.in_force(call.caller.tenant_id), Trace())


def route(call: Call, policy: EffectivePolicy, trace: Trace) -> list[ModelProfile]:
    """The model that the call names, alone; otherwise those that the policy has for its task, with
    what stands in when all of them fail. Waits for nothing: what is known of circuits is what this
    process has seen a moment ago. The trace says whose policy it was, and which model was left alone.

    Raises `UnknownModel`, `ProviderNotAllowed`, `TaskOff`, `UnpricedModel` or `Unsupported` where that
    is what is wrong with every candidate, otherwise `NoCandidate`, which names each with its reason.
    """
    trace.policy_version = policy.version
    found = explain(call, policy, lambda model: circuit_of(model).glance())
    if found.refusal is not None:
        raise found.refusal
    trace.attempts += [{"model": step.model, "error": step.code} for step in found.passed_over]
    return found.profiles


def embedding_candidate(call: EmbeddingCall, policy: EffectivePolicy) -> EmbeddingProfile:
    """The model that the call names, or the configured one: vectors of two models never mix, so
    there is no second choice. Raises `UnknownModel` or `ProviderNotAllowed`."""
    profile = embedding_profile(call.model or configured().embedding_model)
    why = barred(profile, policy)
    if why is not None:
        raise ProviderNotAllowed(f"{profile.id}: {why[1]}")
    return profile
