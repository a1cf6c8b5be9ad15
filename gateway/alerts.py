"""Tells a tenant's admins, by e-mail and webhook, that a budget reached 50, 80 or 100 per cent.

`gateway_settle` leaves a row of `BudgetAlert` in the transaction that books the money: the outbox.
`send_due`, which the worker calls by the clock, makes of it a delivery for each recipient and sends
those that are due. So a broker or mail server that is down delays an alert and loses none; a
recipient that fails is tried `ATTEMPTS` times over some three hours, and hinders no other.

Does not catch: a worker that dies after the recipient took the message and before that was noted.
It is then sent again, under the same id (`Citedesk-Delivery`, `Message-ID`).
"""

from __future__ import annotations

import json
import logging
import random
import smtplib
from collections.abc import Callable
from datetime import datetime, timedelta

from django.core.mail import EmailMessage
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from accounts.models import Membership, Role, Tenant
from accounts.tenancy import tenant_scope
from gateway import webhooks
from gateway.models import AlertDelivery, AlertWebhook, Budget, BudgetAlert, DeliveryState
from gateway.webhooks import WebhookFailed

ATTEMPTS = 10
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=30), timedelta(hours=1)
LEASE = timedelta(minutes=2)
AT_ONCE = 200

logger = logging.getLogger(__name__)
Post = Callable[[str, bytes, str, str], None]


def send_due(post: Post = webhooks.post) -> int:
    """Announces new alerts and sends what is due; says how many were taken by their recipients. May
    run in several workers at once."""
    everybody = list(Tenant.objects.values_list("pk", flat=True))
    with tenant_scope(*everybody):
        for alert in _unannounced():
            announce(alert)
    with tenant_scope(*everybody):
        due = list(_due().order_by("due_at").values_list("tenant_id", "pk")[:AT_ONCE])
    return sum(deliver(tenant_id, str(delivery_id), post) for tenant_id, delivery_id in due)


def announce(alert: BudgetAlert) -> None:
    """Makes the deliveries of an alert, once. Runs in the tenant's scope."""
    admins = Membership.objects.filter(tenant_id=alert.tenant_id, role=Role.ADMIN, user__is_active=True)
    hooks = AlertWebhook.objects.filter(tenant_id=alert.tenant_id, active=True)
    now = timezone.now()
    deliveries = [
        AlertDelivery(tenant_id=alert.tenant_id, alert=alert, email=email, due_at=now)
        for email in admins.order_by("user_id").values_list("user__email", flat=True)
    ]
    deliveries += [
        AlertDelivery(tenant_id=alert.tenant_id, alert=alert, webhook=hook, due_at=now) for hook in hooks.order_by("id")
    ]
    if not deliveries:
        logger.warning("nobody to tell of a budget alert: tenant %s has no admin", alert.tenant_id)
    AlertDelivery.objects.bulk_create(deliveries, ignore_conflicts=True)
    alert.announced_at = now
    alert.save(update_fields=["announced_at"])


def deliver(tenant_id: int, delivery_id: str, post: Post = webhooks.post) -> bool:
    """Sends one delivery if it is due and nobody else has it. True when the recipient took it."""
    with tenant_scope(tenant_id):
        delivery = _take(delivery_id)
        if delivery is None:
            return False
        message, body, webhook = mail(delivery), payload(delivery), delivery.webhook
    try:
        if webhook is None:
            message.send()
        else:
            post(webhook.url, body, webhooks.secret_of(webhook), str(delivery.pk))
    except WebhookFailed as error:
        return _failed(delivery, str(error), for_good=error.for_good)
    except (smtplib.SMTPException, OSError) as error:
        return _failed(delivery, f"mail server: {type(error).__name__}", for_good=False)
    _note(delivery, state=DeliveryState.SENT, sent_at=timezone.now(), error="")
    return True


def mail(delivery: AlertDelivery) -> EmailMessage:
    """What an admin reads."""
    alert = delivery.alert
    budget, tenant = alert.budget, alert.tenant
    names = {"tenant": tenant.name, "budget": whose(budget), "share": alert.get_threshold_display()}
    if alert.refused:
        subject = _("[%(tenant)s] %(budget)s refuses calls") % names
    else:
        subject = _("[%(tenant)s] %(budget)s is at %(share)s") % names
    figures = {
        "since": date_format(alert.period_start),
        "used": f"{alert.settled:.2f}",
        "limit": f"{alert.limit:.2f}",
    }
    lines = [_("Used since %(since)s: $%(used)s of $%(limit)s.") % figures, _consequence(alert)]
    lines.append(_("Admins see and change budgets in the administration, under Budgets."))
    headers = {"Message-ID": f"<{delivery.pk}@alerts.citedesk>", "Auto-Submitted": "auto-generated"}
    return EmailMessage(" ".join(subject.split()), "\n\n".join(lines) + "\n", to=[delivery.email], headers=headers)


def payload(delivery: AlertDelivery) -> bytes:
    """What a webhook is sent. Amounts are texts, so that no reader rounds them."""
    alert = delivery.alert
    budget = alert.budget
    return json.dumps(
        {
            "type": "budget.alert",
            "id": str(delivery.pk),
            "alert": alert.pk,
            "at": alert.created_at.isoformat(),
            "tenant": alert.tenant.slug,
            "level": budget.level,
            "user": budget.user.email if budget.user else None,
            "api_key": budget.api_key.name if budget.api_key else None,
            "purpose": budget.purpose or None,
            "period": budget.period,
            "period_start": alert.period_start.isoformat(),
            "soft": budget.soft,
            "threshold": alert.threshold,
            "refused": alert.refused,
            "used_usd": f"{alert.settled:f}",
            "limit_usd": f"{alert.limit:f}",
        }
    ).encode()


def whose(budget: Budget) -> str:
    """A budget by name, for people."""
    names = [str(each) for each in (budget.user, budget.api_key and budget.api_key.name, budget.purpose) if each]
    of = ", ".join(names) or _("the whole company")
    return _("The %(period)s budget of %(of)s") % {"period": budget.get_period_display(), "of": of}


def _consequence(alert: BudgetAlert) -> str:
    if alert.refused:
        return _("What is left did not hold a call, so the call was refused. Smaller ones may still go through.")
    if alert.budget.soft:
        return _("This budget is soft: calls go on.")
    return _("Once it is used up, calls are refused until the limit is raised or the next period begins.")


def _unannounced() -> QuerySet[BudgetAlert]:
    found: QuerySet[BudgetAlert] = BudgetAlert.objects.filter(announced_at=None).select_for_update(skip_locked=True)
    return found.order_by("id")[:AT_ONCE]


def _due() -> QuerySet[AlertDelivery]:
    open_ = Q(state__in=[DeliveryState.WAITING, DeliveryState.SENDING])
    found: QuerySet[AlertDelivery] = AlertDelivery.objects.filter(open_, due_at__lte=timezone.now())
    return found


def _take(delivery_id: str) -> AlertDelivery | None:
    """The delivery with its lease begun, and all that a message is made of; None if it is not due."""
    if not _due().filter(pk=delivery_id).select_for_update(skip_locked=True).exists():
        return None
    related = ("alert__budget__user", "alert__budget__api_key", "alert__tenant", "webhook")
    delivery: AlertDelivery = AlertDelivery.objects.select_related(*related).get(pk=delivery_id)
    delivery.state, delivery.due_at = DeliveryState.SENDING, timezone.now() + LEASE
    delivery.attempts += 1
    delivery.save(update_fields=["state", "due_at", "attempts"])
    return delivery


def _failed(delivery: AlertDelivery, error: str, *, for_good: bool) -> bool:
    over = for_good or delivery.attempts >= ATTEMPTS
    pause = min(FIRST_PAUSE * 2 ** (delivery.attempts - 1), LONGEST_PAUSE) * random.uniform(0.8, 1.2)  # noqa: S311
    state = DeliveryState.FAILED if over else DeliveryState.WAITING
    logger.warning("budget alert %s not delivered, attempt %s: %s", delivery.pk, delivery.attempts, error)
    _note(delivery, state=state, due_at=timezone.now() + pause, error=error[:200])
    return False


def _note(delivery: AlertDelivery, **fields: str | datetime) -> None:
    """Only while the lease is ours: whoever took it over meanwhile has the last word."""
    with tenant_scope(delivery.tenant_id):
        AlertDelivery.objects.filter(pk=delivery.pk, attempts=delivery.attempts).update(**fields)
