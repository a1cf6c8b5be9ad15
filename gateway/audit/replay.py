"""Runs an audited call again, on the same or another model, with the words and sources of then.

The replay passes through `gateway.client` like any call: it is paid for, audited under the purpose
`replay`, and names the record that it repeats. Its text belongs to the person whose the original's
is, and is erased with it.

Does not repeat: the retrieval, and the check of the answer against its sources.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from decimal import Decimal
from uuid import UUID

from accounts.tenancy import tenant_scope
from gateway import client, connections, router
from gateway.audit.ledger import Ledger
from gateway.audit.texts import text_of
from gateway.audit.thaw import thaw
from gateway.conf import configured
from gateway.errors import GatewayError
from gateway.metering import most
from gateway.models import AuditRecord
from gateway.types import Call, Caller, Classification, Message, Options, Source

PURPOSE = "replay"
REASONS = {
    "none": "it is no completion: its texts are kept as a digest alone",
    "erased": "the person whose words these were was erased",
    "expired": "its text was kept as long as the retention policy says, and is gone",
    "unreadable": "its text cannot be read, and no record says why; verify the audit log",
}


class NotReplayable(Exception):
    """There is nothing to run again; `reason` says why, in words for an admin."""

    code = "not_replayable"

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclasses.dataclass(frozen=True)
class Choice:
    """A model to replay on, and the most that it can cost in US dollars."""

    model: str
    bound: Decimal


def frozen(tenants: Sequence[int], audit_id: UUID) -> Call | None:
    """The call as it was made, for the model that answered. None where these tenants have no such
    record. Opens their scope. Raises `NotReplayable`."""
    with tenant_scope(*tenants):
        record: AuditRecord | None = (
            AuditRecord.objects.select_related("content", "subject").filter(pk=audit_id).first()
        )
        return None if record is None else _call(record)


def choices(call: Call) -> list[Choice]:
    """What the call can be replayed on: first the model that answered, then those configured."""
    found = []
    for name in dict.fromkeys([call.options.model, *configured().answer_models]):
        if name:
            try:
                found.append(Choice(name, bound(on(call, name))))
            except GatewayError:
                continue  # a model that is gone from the profiles, or has no price
    return found


def bound(call: Call) -> Decimal:
    """The most that the replay can cost, in US dollars. Raises `GatewayError`."""
    return max(most(call, profile) for profile in router.candidates(call))


def on(call: Call, model: str | None) -> Call:
    """The same call for another model."""
    return dataclasses.replace(call, options=dataclasses.replace(call.options, model=model)) if model else call


def run(call: Call, *, by: int | None) -> UUID:
    """Runs the call for the user `by`; returns the id of its audit record, which is there also when
    this raises `GatewayError`. From synchronous code, outside of any transaction."""
    call = dataclasses.replace(call, caller=dataclasses.replace(call.caller, user_id=by))
    connections.run_in_background(client.complete(call))
    return call.id


def _call(record: AuditRecord) -> Call:
    state, content = text_of(record, Ledger(record.tenant_id))
    if state != "kept":
        raise NotReplayable(REASONS[state])
    caller = Caller(
        tenant_id=record.tenant_id,
        purpose=PURPOSE,
        classification=Classification(record.classification),
        conversation_id=record.conversation_id,
        subject_id=record.subject.user_id if record.subject else None,
    )
    options = thaw(Options, content["options"])
    return Call(
        caller=caller,
        messages=thaw(tuple[Message, ...], content["messages"]),
        options=dataclasses.replace(options, model=record.model or options.model),
        sources=thaw(tuple[Source, ...], content["sources"]),
        question=content["question"],
        prompt_version=record.prompt_version,
        replay_of=record.pk,
    )
