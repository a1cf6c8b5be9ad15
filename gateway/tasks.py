"""Housekeeping that the worker does by the clock."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from gateway import alerts, budgets
from gateway.limits import store


@shared_task(name="gateway.sweep")  # type: ignore[untyped-decorator]
def sweep() -> int:
    """Ends the calls whose process died: money back, and a record that says so. May run twice."""
    store.forget_full()
    return budgets.sweep(timezone.now())


@shared_task(name="gateway.send_alerts")  # type: ignore[untyped-decorator]
def send_alerts() -> int:
    """Tells admins of budgets that reached a threshold. May run twice."""
    return alerts.send_due()
