"""What calls led to is known above the gateway: whoever knows it answers the signal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.dispatch import Signal

from gateway.usage.figures import Period

# Sent with `tenants` and `period`, in a scope that sees the tenants; answered with a list of `Resolved`.
resolved_wanted = Signal()


@dataclass(frozen=True)
class Resolved:
    """`count` things of the kind `name` came to a good end, and all the calls for them cost `cost`."""

    name: str
    count: int
    cost: Decimal

    @property
    def each(self) -> Decimal | None:
        return self.cost / self.count if self.count else None


def resolved(tenants: Sequence[int], period: Period) -> list[Resolved]:
    answers: list[tuple[Any, Any]] = resolved_wanted.send(sender=None, tenants=tenants, period=period)
    return [each for _receiver, answer in answers for each in answer]
