"""Gateways in front of a provider: LiteLLM, Portkey, Cloudflare AI Gateway, Helicone.

They speak the API of what stands behind them, so they are no adapters of their own but data: which
header carries their key, which takes what a call is for, and which says what it cost. Their address
is the provider's address in the settings.

What goes into the metadata are the call's id, purpose and tenant, as numbers and words of ours; no
text and nothing of a person. The cost that a gateway reports is kept beside ours in the trace: the
budget is held by our own prices, because the report comes too late, or not at all in a stream.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation

from gateway.types import JSON, Call, Trace


@dataclass(frozen=True)
class Kind:
    """One gateway. `key` is the header of its own key, with `scheme` before it; `metadata` the one
    that takes a JSON object, or with `each` a prefix for one header to a field; `cost` and `id` what
    it answers with, empty where it says nothing."""

    key: str
    scheme: str = ""
    metadata: str = ""
    each: bool = False
    cost: str = ""
    id: str = ""


KINDS = {
    "litellm": Kind(
        key="x-litellm-api-key",
        scheme="Bearer ",
        metadata="x-litellm-spend-logs-metadata",
        cost="x-litellm-response-cost",
        id="x-litellm-call-id",
    ),
    "portkey": Kind(key="x-portkey-api-key", metadata="x-portkey-metadata", id="x-portkey-trace-id"),
    "cloudflare": Kind(key="cf-aig-authorization", scheme="Bearer ", metadata="cf-aig-metadata", id="cf-aig-log-id"),
    "helicone": Kind(key="helicone-auth", scheme="Bearer ", metadata="helicone-property-", each=True, id="helicone-id"),
}


@dataclass(frozen=True)
class Front:
    """A gateway as the operator set it up. `headers` are what else it needs, such as Portkey's
    provider. Empty means that there is none."""

    name: str = ""
    key: str = field(default="", repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    def request_headers(self, call: Call) -> dict[str, str]:
        """What a request carries for the gateway."""
        kind = KINDS.get(self.name)
        if kind is None:
            return {}
        sent = dict(self.headers)
        if self.key:
            sent[kind.key] = f"{kind.scheme}{self.key}"
        about = _about(call)
        if kind.each:
            return {**sent, **{f"{kind.metadata}{name}": value for name, value in about.items()}}
        return {**sent, kind.metadata: json.dumps(about)}

    def note(self, headers: Mapping[str, str], trace: Trace) -> None:
        """Writes down what the gateway says of the call."""
        kind = KINDS.get(self.name)
        if kind is None:
            return
        said: JSON = {"gateway": self.name}
        if kind.id and headers.get(kind.id):
            said["id"] = headers[kind.id][:100]
        if kind.cost and (cost := _money(headers.get(kind.cost, ""))) is not None:
            said["cost"] = str(cost)
        trace.gateways.append(said)


NO_FRONT = Front()


def _about(call: Call) -> dict[str, str]:
    return {"call": str(call.id), "tenant": str(call.caller.tenant_id), "purpose": _plain(call.caller.purpose)}


def _plain(text: str) -> str:
    """`text` as a header takes it: ASCII alone, no control characters."""
    return "".join(letter for letter in text if " " <= letter <= "~")[:60].strip()


def _money(text: str) -> Decimal | None:
    try:
        cost = Decimal(text)
    except InvalidOperation:
        return None
    return cost if cost.is_finite() and 0 <= cost < 1_000_000 else None
