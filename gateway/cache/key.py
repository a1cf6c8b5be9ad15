"""Under what an answer is kept: two keyed digests, made of all that the answer depends on.

`scope` is everything but the question and its sources: tenant, what the asker may read, prompt version
and system messages, the models of the route in their order, options, the embedding model. `exact` is
the scope with every message and every source's version, and so the whole conversation. What a source
says is thereby in the exact digest: an equal call has the same sources at the same versions, and needs
no number of the corpus to be safe.

Does not catch: a provider that changes a model behind its name; that is what the hours are for.
"""

from __future__ import annotations

import dataclasses
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gateway.audit.chain import canonical, clean
from gateway.audit.keys import lookup_key
from gateway.cache.types import Reuse
from gateway.conf import configured
from gateway.types import Call, Message

# What an answer does not depend on: how long we wait, and what the model is (the route has it).
WITHOUT = frozenset({"connect_timeout", "first_token_timeout", "stall_timeout", "total_timeout", "hedge_after"})


@dataclass(frozen=True)
class Key:
    exact: str
    scope: str


def key_of(call: Call, reuse: Reuse, route: Sequence[str], policy_version: str = "") -> Key:
    """`route` names the models that may answer, best first."""
    options = {name: value for name, value in dataclasses.asdict(call.options).items() if name not in WITHOUT}
    scope = {
        "tenant": call.caller.tenant_id,
        "visible": sorted(reuse.visible),
        "prompt": call.prompt_version,
        "system": [_plain(each, reuse) for each in call.messages if each.role == "system"],
        "route": list(route),
        "policy": policy_version,
        "options": options,
        "embedding": configured().embedding_model,
    }
    exact = {
        **scope,
        "messages": [_plain(each, reuse) for each in call.messages],
        "question": call.question,
        "sources": [(each.marker, each.document, each.version, each.start, each.end) for each in call.sources],
    }
    return Key(_digest(call, "exact", exact), _digest(call, "scope", scope))


def _plain(message: Message, reuse: Reuse) -> dict[str, Any]:
    """The message without what is drawn anew for each call."""
    content = message.content.replace(reuse.nonce, "") if reuse.nonce else message.content
    return {**dataclasses.asdict(message), "content": content}


def _digest(call: Call, kind: str, parts: dict[str, Any]) -> str:
    key = lookup_key(configured().audit_key, call.caller.tenant_id)
    return hmac.digest(key, canonical(clean([kind, parts])).encode(), "sha256").hex()
