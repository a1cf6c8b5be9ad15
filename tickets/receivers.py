"""What tickets hear from the layers below."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.dispatch import receiver

from accounts.permissions import Actor
from assistant.models import Conversation
from assistant.signals import person_requested
from gateway.usage.figures import Period
from gateway.usage.outcomes import Resolved, resolved_wanted
from tickets import actions, reports


@receiver(person_requested, dispatch_uid="tickets.ask_for_person")
def bring_a_person(sender: Any, *, conversation: Conversation, actor: Actor, note: str, **more: Any) -> None:
    actions.ask_for_person(conversation, actor=actor, note=note)


@receiver(resolved_wanted, dispatch_uid="tickets.resolved")
def say_what_was_resolved(sender: Any, *, tenants: Sequence[int], period: Period, **more: Any) -> list[Resolved]:
    return reports.resolved(tenants, period)
