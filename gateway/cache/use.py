"""What the cache did for each tenant, for the page that shows it: told by the audit records alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.db import connection
from django.utils import timezone

from accounts.models import Tenant
from gateway.cache.policy import Allowed, allowed
from gateway.models import CachedAnswer

DAYS = 30
COUNTS = """
SELECT tenant_id, count(*) FILTER (WHERE detail ->> 'cache' = 'exact'),
       count(*) FILTER (WHERE detail ->> 'cache' = 'semantic'), count(*) FILTER (WHERE detail ->> 'cache' = 'miss'),
       coalesce(sum((detail ->> 'saved')::numeric), 0)
FROM gateway_auditrecord WHERE tenant_id = ANY(%s) AND at > %s AND kind = 'completion' AND detail ? 'cache'
GROUP BY tenant_id
"""


@dataclass(frozen=True)
class Use:
    """Of one tenant in the last `DAYS` days. `saved` is what the answers had cost, in US dollars."""

    tenant: Tenant
    allowed: Allowed
    answers: int
    exact: int = 0
    similar: int = 0
    misses: int = 0
    saved: Decimal = Decimal(0)

    @property
    def share(self) -> int:
        """Of the questions that were looked up, those that had an answer, in per cent."""
        hits = self.exact + self.similar
        return round(100 * hits / (hits + self.misses)) if hits else 0


def use(tenant_ids: Sequence[int]) -> list[Use]:
    """By the tenants' names. Runs in a scope that sees them all."""
    with connection.cursor() as cursor:
        cursor.execute(COUNTS, [list(tenant_ids), timezone.now() - timedelta(days=DAYS)])
        counted: dict[int, tuple[Any, ...]] = {row[0]: row[1:] for row in cursor.fetchall()}
    tenants = Tenant.objects.filter(pk__in=tenant_ids).order_by("name")
    return [_use(tenant, counted.get(tenant.pk, ())) for tenant in tenants]


def _use(tenant: Tenant, counts: tuple[Any, ...]) -> Use:
    return Use(tenant, allowed(tenant.pk), CachedAnswer.objects.filter(tenant_id=tenant.pk).count(), *counts)
