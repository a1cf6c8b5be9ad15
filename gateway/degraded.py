"""What still answers when no language model can be reached: quotes, then a text that points at the
articles found. Both are of this process and cost nothing. `trace.degraded` always says so.

Not for a call that names its model: whoever asks for that one wants to know that it failed. Not for
a task that quoting does not solve, such as one that wants tools or JSON, nor without sources.
"""

from __future__ import annotations

from gateway.base import Candidate
from gateway.profiles import ModelProfile, completion_profile
from gateway.routing.policy import WRITES_FREELY
from gateway.types import Call, Degraded

LAST_RESORTS = ("extractive", "template")


def with_last_resorts(call: Call, profiles: list[ModelProfile]) -> list[ModelProfile]:
    """The route, and after it what is left when all of it fails."""
    options = call.options
    if options.model or options.task in WRITES_FREELY or options.tools or options.output or not call.sources:
        return profiles
    known = {profile.id for profile in profiles}
    return profiles + [completion_profile(name) for name in LAST_RESORTS if name not in known]


def how_degraded(candidate: Candidate, first: Candidate) -> Degraded:
    """What an answer of `candidate` is, on a route that begins with `first`."""
    profile = candidate.profile
    if profile.generates or candidate is first:
        return Degraded.NO
    return Degraded.QUOTES if profile.quotes else Degraded.POINTERS
