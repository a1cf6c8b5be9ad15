"""Which errors say that a model is not well, and how much.

Those of the caller's making (a malformed request, too long a prompt, refused content) say nothing,
nor does the end of a call's whole time, most of which other models may have used. A key that is refused
does not either: it is the key that is left alone then (`gateway.credentials.ring`), and with a new one the
model answers at once.
"""

from __future__ import annotations

from gateway.breaker.state import LONGEST_REST, Fault
from gateway.errors import (
    ConnectionFailed,
    Overloaded,
    ProviderError,
    ProviderTimeout,
    QuotaExhausted,
    RateLimited,
    StreamBroken,
)
from gateway.retry import LONGEST_WAIT

FAULTS = (ConnectionFailed, Overloaded, RateLimited, StreamBroken)
WAITED = 2.8  # the weight of a fault that somebody sat through


def fault_of(error: ProviderError) -> Fault | None:
    """None when the error is no sign of the model's health."""
    if isinstance(error, QuotaExhausted):
        return Fault(error.code, at_once=True)
    if isinstance(error, ProviderTimeout):
        weights = {"connect": 1.0, "first_token": WAITED, "stall": WAITED}
        return Fault(error.code, weights[error.phase]) if error.phase in weights else None
    if not isinstance(error, FAULTS):
        return None
    if error.retry_after is not None and error.retry_after > LONGEST_WAIT:
        return Fault(error.code, at_once=True, rest=min(error.retry_after, LONGEST_REST))
    return Fault(error.code)
