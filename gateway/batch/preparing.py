"""Where each call of a batch will go, and what may leave for there: decided when it is submitted."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from decimal import Decimal

from gateway import connections
from gateway.batch.kept import Kept
from gateway.batch.splitting import fits
from gateway.conf import configured
from gateway.errors import ContextTooLong, GatewayError, ProviderNotAllowed
from gateway.fitting import fitted
from gateway.metering import most
from gateway.profiles import ModelProfile, at_batch_price, batch_terms
from gateway.redaction.policy import cleared, redaction_of
from gateway.router import route
from gateway.routing import policies
from gateway.types import Call, Trace


@dataclass(frozen=True)
class Prepared:
    """`profile` is None for a call that is made on its own; then nothing is held for it until it is.
    `amount` is the most that it can cost. With an `error` it goes nowhere."""

    kept: Kept
    profile: ModelProfile | None = None
    size: int = 0
    amount: Decimal = Decimal(0)
    error: GatewayError | None = None


async def prepared(call: Call) -> Prepared:
    """By the policy and the clearances that are in force now."""
    policy = await policies.current(call.caller.tenant_id)
    kept = Kept(call, policy=policy.version)
    try:
        profile = route(call, policy, Trace())[0]
        terms = batch_terms(profile.provider)
        if terms is None or configured().front.name:
            return Prepared(kept)
        if not await cleared(call.caller.tenant_id, profile.provider):
            redaction = redaction_of(call)
            sent = await redaction.sent()
            kept = dataclasses.replace(kept, sent=sent, values=redaction.values)
        size = len(connections.batch_provider(profile).line(fitted(kept.request, profile)))
        if not fits(size, terms):
            raise ContextTooLong(f"the request has {size} bytes, more than an upload may have")
        return Prepared(kept, profile, size, most(fitted(kept.request, profile), at_batch_price(profile)))
    except GatewayError as error:
        return Prepared(kept, error=error)


async def still_allowed(kept: Kept, profile: ModelProfile) -> None:
    """Policies change between submission and upload. Raises `GatewayError` where the call may not go to
    the model any more, or only without what it still holds."""
    call = kept.call
    named = dataclasses.replace(call, options=dataclasses.replace(call.options, model=profile.id))
    first = route(named, await policies.current(call.caller.tenant_id), Trace())[0]
    if first.id != profile.id:
        raise ProviderNotAllowed(f"the policy does not allow {profile.id} any more")
    if kept.sent is None and not await cleared(call.caller.tenant_id, profile.provider):
        raise ProviderNotAllowed(f"the tenant does not clear {profile.provider} any more")
