"""Housekeeping that the worker does by the clock."""

from __future__ import annotations

from datetime import timedelta

from celery import shared_task
from django.utils import timezone

from accounts.models import Tenant
from accounts.tenancy import tenant_scope
from assistant.models import Message, Status
from assistant.pipeline.compose import Outcome

LONGEST = timedelta(minutes=10)  # no answer takes this long, with all its retries


@shared_task(name="assistant.sweep")  # type: ignore[untyped-decorator]
def sweep() -> int:
    """Ends the answers whose process died while it wrote them. Returns how many."""
    ended = 0
    for tenant_id in Tenant.objects.values_list("pk", flat=True):
        with tenant_scope(tenant_id):
            stuck = Message.objects.filter(status=Status.STREAMING, created_at__lt=timezone.now() - LONGEST)
            for message in stuck.select_for_update(skip_locked=True):
                result = Outcome(status="failed", reason="interrupted").as_json()
                ids = {"conversation": str(message.conversation_id), "message": str(message.pk)}
                message.status, message.final = Status.FAILED, {**result, **ids, "timings_ms": {}}
                message.save(update_fields=["status", "final"])
                ended += 1
    return ended
