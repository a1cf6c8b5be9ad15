"""What one model's attempts pass through, from the retries to the adapter; `gateway.client` says in which order."""

from __future__ import annotations

from functools import partial

from gateway import connections
from gateway.base import Candidate
from gateway.breaker.breaking import Breaking
from gateway.breaker.circuit import circuit_of
from gateway.credentials.keyed import Keyed
from gateway.credentials.secret import Credential
from gateway.fitting import Fitted
from gateway.limits.wrappers import Limited
from gateway.profiles import ModelProfile
from gateway.purse import Metered, Purse
from gateway.retry import Retrying
from gateway.telemetry.legs import Noted
from gateway.timeouts import Timed


def candidate(profile: ModelProfile, purse: Purse, until: float) -> Candidate:
    """What only quotes is of this process: it has no circuit, and time of its own, so that it can still
    answer when the others have used up the call's."""
    if not profile.generates:
        return Retrying(Noted(Metered(Fitted(Timed(connections.provider(profile))), purse)))

    def attempt(credential: Credential, hurried: bool) -> Candidate:
        provider = connections.provider(profile, credential)
        return Limited(Metered(Fitted(Timed(provider, until=until)), purse), credential, hurried=hurried)

    keyed = Keyed(profile, partial(connections.keys, profile), attempt)
    return Retrying(Noted(Breaking(keyed, circuit_of(profile.id))), until=until)
