"""What an item keeps until its result comes, sealed like the audit's texts: the call, the call as it was
sent, and what its placeholders stand for. Reads and writes run in the tenant's scope."""

from __future__ import annotations

import dataclasses
import json
import uuid
from dataclasses import dataclass, field

from gateway.audit import keys, subjects, writer
from gateway.audit.subjects import Person
from gateway.audit.thaw import thaw
from gateway.errors import Erased
from gateway.models import AuditSubject, BatchItem
from gateway.redaction.policy import redaction_of
from gateway.redaction.redaction import Redaction
from gateway.types import JSON, Call


@dataclass(frozen=True)
class Kept:
    """`sent` is None where the call goes as it is. `policy` is the version of the routing policy."""

    call: Call
    sent: Call | None = None
    values: dict[str, str] = field(default_factory=dict, repr=False)
    policy: str = ""

    @property
    def request(self) -> Call:
        """The call as the provider may read it."""
        return self.sent or self.call

    def redaction(self) -> Redaction:
        """As it was when the call was prepared."""
        redaction = redaction_of(self.call)
        if self.sent is not None:
            redaction.resume(self.sent, self.values)
        return redaction


def subject_of(call: Call) -> int | None:
    """The person whose words the call holds, as in the audit."""
    caller = call.caller
    return caller.user_id if caller.subject_id is None else caller.subject_id


def person(tenant_id: int, user_id: int | None) -> Person:
    rows = AuditSubject.objects.filter(tenant_id=tenant_id, user_id=user_id).values_list("pk", "user_id", "wrapped")
    return subjects.found(tenant_id, rows, {user_id})[user_id]


def sealed_request(owner: Person, item_id: uuid.UUID, kept: Kept) -> bytes:
    said = {
        "call": writer.frozen_completion(kept.call),
        "sent": writer.frozen_completion(kept.sent) if kept.sent else None,
        "values": kept.values,
        "policy": kept.policy,
    }
    return keys.seal(owner.key, f"{item_id} request", json.dumps(said))[0]


def sealed_result(item: BatchItem, said: JSON) -> bytes:
    """Raises `Erased`."""
    return keys.seal(_key(item), f"{item.pk} result", json.dumps(said))[0]


def opened(item: BatchItem) -> Kept:
    """Raises `Erased`."""
    said = _unsealed(item, "request", bytes(item.request))
    sent = _call(said["sent"]) if said["sent"] else None
    return Kept(_call(said["call"]), sent, said["values"], said["policy"])


def opened_result(item: BatchItem) -> JSON:
    """Raises `Erased`."""
    return _unsealed(item, "result", bytes(item.result))


def _call(frozen: JSON) -> Call:
    call: Call = thaw(Call, {name: frozen[name] for name in frozen if name not in {"kind", "id", "replay_of"}})
    return dataclasses.replace(call, id=uuid.UUID(frozen["id"]))


def _unsealed(item: BatchItem, name: str, body: bytes) -> JSON:
    try:
        said: JSON = json.loads(keys.unseal(_key(item), f"{item.pk} {name}", body)[1])
    except keys.Unreadable:
        raise Erased("its text cannot be opened") from None
    return said


def _key(item: BatchItem) -> bytes:
    owner = AuditSubject.objects.filter(pk=item.subject).first()
    if owner is None:
        raise Erased("the person whose words it holds was erased")
    try:
        key: bytes = owner.key()
    except keys.Unreadable:
        raise Erased("its key cannot be opened") from None
    return key
