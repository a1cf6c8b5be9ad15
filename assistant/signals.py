"""What the assistant tells the layers above it."""

from __future__ import annotations

from django.dispatch import Signal

# Sent within `tenant_scope` when a customer asks for a person, with `conversation`
# (assistant.models.Conversation), `actor` (accounts.permissions.Actor) and `note` (str, may be
# empty). Sent again for the same conversation when asked again: receivers must be idempotent.
person_requested = Signal()
