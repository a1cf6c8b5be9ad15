"""What a tenant's cache may do, as its admin has set it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from gateway.models import AuditPolicy, CachedAnswer, CachePolicy


@dataclass(frozen=True)
class Allowed:
    """`similar` and `bound`: whether, and from which cosine on, a similar question has the answer.
    What is older than `age` is not given, nor kept for long."""

    enabled: bool
    similar: bool
    bound: float
    age: timedelta


def allowed(tenant_id: int) -> Allowed:
    """Runs in the tenant's scope. No answer outlives the texts of the audit log."""
    row = CachePolicy.objects.filter(tenant_id=tenant_id).first() or CachePolicy(tenant_id=tenant_id)
    days = AuditPolicy.objects.filter(tenant_id=tenant_id).values_list("days", flat=True).first()
    age = timedelta(hours=row.hours)
    return Allowed(row.enabled, row.similar, row.bound, age if days is None else min(age, timedelta(days=days)))


def save(policy: CachePolicy) -> None:
    """Sets the policy. Off removes what is kept. Runs in the tenant's scope."""
    policy.save()
    if not policy.enabled:
        CachedAnswer.objects.filter(tenant_id=policy.tenant_id).delete()
