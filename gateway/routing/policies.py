"""The policies that are stored: read on every call, so kept by each process; written in versions.

A process believes what it has read for `FRESH` seconds, and then asks whether there is a newer version,
which is one statement for two numbers. So a change is in force at once in the process that made it, and
in all others within `FRESH` seconds; a call that has begun keeps the policy with which it began.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from django.db import IntegrityError, connection, transaction
from django.db.models import QuerySet

from accounts.tenancy import in_database, tenant_scope
from gateway.audit import writer
from gateway.models import AuditRecord, RoutingDefault, RoutingPolicy
from gateway.routing.check import Problem, problems
from gateway.routing.policy import (
    EffectivePolicy,
    Policy,
    PolicyInvalid,
    built_in,
    built_in_version,
    combined,
    digest,
    document,
    parsed,
)

FRESH = 2.0  # seconds
NEWEST = """
SELECT (SELECT coalesce(max(version), 0) FROM gateway_routingpolicy WHERE tenant_id = %s),
       (SELECT coalesce(max(version), 0) FROM gateway_routingdefault)
"""

Version = RoutingPolicy | RoutingDefault


class PolicyChanged(Exception):
    """Somebody else made a version since the one that was edited."""

    code = "policy_changed"


@dataclass(frozen=True)
class _Known:
    policy: EffectivePolicy
    versions: tuple[int, int]
    read_at: float


@dataclass(frozen=True)
class Edit:
    """What is to become the next version. `based_on` is the number that the author saw, 0 for none;
    `restores` the one that is brought back."""

    policy: Policy
    note: str
    based_on: int
    by: int | None = None
    restores: int | None = None


_known: dict[int, _Known] = {}


async def current(tenant_id: int) -> EffectivePolicy:
    """The policy in force for a tenant; from memory, or from a database thread."""
    known = _fresh(tenant_id)
    return known.policy if known else await in_database(in_force, tenant_id)


def in_force(tenant_id: int) -> EffectivePolicy:
    """The same for synchronous code."""
    known = _fresh(tenant_id)
    if known is None:
        read_at = time.monotonic()
        with tenant_scope(tenant_id):
            versions, last = _newest(tenant_id), _known.get(tenant_id)
            policy = last.policy if last and last.versions == versions else _read(tenant_id, *versions)
        known = _known[tenant_id] = _Known(policy, versions, read_at)
    return known.policy


def remembered(tenant_id: int) -> EffectivePolicy | None:
    """What this process last read, however long ago; asks nothing."""
    known = _known.get(tenant_id)
    return known.policy if known else None


def forget(tenant_id: int | None = None) -> None:
    """What this process has read of one tenant's, or of all."""
    if tenant_id is None:
        _known.clear()
    else:
        _known.pop(tenant_id, None)


def history(tenant_id: int | None) -> QuerySet[Version]:
    """All versions, newest first; of the operator's default for None. Runs in the tenant's scope."""
    if tenant_id is None:
        return RoutingDefault.objects.order_by("-version")
    found: QuerySet[Version] = RoutingPolicy.objects.filter(tenant_id=tenant_id).order_by("-version")
    return found


def stored(tenant_id: int | None) -> tuple[Policy, int]:
    """The newest version and its number. For a tenant without one, an empty policy; for the operator,
    the default that comes with the product. Runs in the tenant's scope."""
    newest = history(tenant_id).first()
    if newest is not None:
        return parsed(newest.document), newest.version
    return (built_in() if tenant_id is None else Policy()), 0


def draft(tenant_id: int | None, policy: Policy) -> EffectivePolicy:
    """What would be in force with this policy as the newest. Runs in the tenant's scope."""
    if tenant_id is None:
        return combined(policy, "draft", None, 0)
    default, number = stored(None)
    return combined(default, _default_version(number), policy, _newest(tenant_id)[0] + 1)


def faults(tenant_id: int | None, policy: Policy) -> list[Problem]:
    """What is wrong with a policy for this owner, as places and sentences."""
    return problems(policy, None if tenant_id is None else stored(None)[0])


def save(tenant_id: int | None, edit: Edit) -> int:
    """Makes the next version, and for a tenant an audit record of it. Runs in the tenant's scope.
    Raises `PolicyInvalid`, or `PolicyChanged`."""
    wrong = faults(tenant_id, edit.policy)
    if not edit.note.strip():
        wrong.append(("note", "say why, for those who read the history"))
    if wrong:
        raise PolicyInvalid(wrong)
    newest = history(tenant_id).values_list("version", flat=True).first() or 0
    if newest != edit.based_on:
        raise PolicyChanged
    _insert(tenant_id, edit, newest + 1)
    if tenant_id is not None:
        detail = {"version": newest + 1, "digest": digest(document(edit.policy))}
        writer.append_event(tenant_id, writer.Event(AuditRecord.Kind.ROUTING, edit.by, detail))
    transaction.on_commit(lambda: forget(tenant_id))
    return newest + 1


def _insert(tenant_id: int | None, edit: Edit, version: int) -> None:
    row: Version = RoutingDefault() if tenant_id is None else RoutingPolicy(tenant_id=tenant_id)
    row.version, row.document, row.author_id = version, document(edit.policy), edit.by
    row.note, row.restores = edit.note.strip()[:300], edit.restores
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError as error:  # another author was faster by less than the check above can see
        raise PolicyChanged from error


def _fresh(tenant_id: int) -> _Known | None:
    known = _known.get(tenant_id)
    return known if known and time.monotonic() - known.read_at < FRESH else None


def _newest(tenant_id: int) -> tuple[int, int]:
    with connection.cursor() as cursor:
        cursor.execute(NEWEST, [tenant_id])
        own, default = cursor.fetchone()
    return own, default


def _read(tenant_id: int, own: int, default: int) -> EffectivePolicy:
    operators = parsed(RoutingDefault.objects.get(version=default).document) if default else built_in()
    if not own:
        return combined(operators, _default_version(default), None, 0)
    row = RoutingPolicy.objects.get(tenant_id=tenant_id, version=own)
    return combined(operators, _default_version(default), parsed(row.document), own)


def _default_version(number: int) -> str:
    return str(number) if number else built_in_version()
