"""What readers think of an answer."""

from __future__ import annotations

from collections.abc import Sequence

from assistant.models import Feedback, Message
from gateway.cache import store


def rate(message: Message, *, user_id: int, value: str, reasons: Sequence[str] = (), comment: str = "") -> None:
    """One thumb for each reader and answer; the last one counts. An answer that somebody found wrong is
    given to nobody again. Runs in the tenant's scope."""
    Feedback.objects.update_or_create(
        message=message,
        user_id=user_id,
        defaults={"tenant_id": message.tenant_id, "value": value, "reasons": list(reasons), "comment": comment},
    )
    if value == "down" and message.audit_id:
        store.drop(message.tenant_id, message.audit_id)
