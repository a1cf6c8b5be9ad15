"""What tickets hear from the layers below."""

from __future__ import annotations

from typing import Any

from django.dispatch import receiver

from accounts.permissions import Actor
from assistant.models import Conversation
from assistant.signals import person_requested
from tickets import actions


@receiver(person_requested, dispatch_uid="tickets.ask_for_person")
def bring_a_person(sender: Any, *, conversation: Conversation, actor: Actor, note: str, **more: Any) -> None:
    actions.ask_for_person(conversation, actor=actor, note=note)
