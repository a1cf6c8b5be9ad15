"""The admins hear of a budget once for each threshold, whatever breaks on the way."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import re
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.conf import settings
from django.core import mail
from django.core.mail.backends.base import BaseEmailBackend
from django.utils import timezone

from accounts.models import Membership, Role, User
from accounts.tenancy import in_database, tenant_scope
from gateway import alerts, webhooks
from gateway.budgets import settle
from gateway.models import AlertDelivery, AlertWebhook, Budget, BudgetAlert, DeliveryState
from gateway.tasks import send_alerts
from gateway.types import Caller
from gateway.webhooks import WebhookFailed
from tests.conftest import Cast
from tests.gateway.test_budgets import _hold
from tests.servers.wire import Script, failure, serving


class Broken(BaseEmailBackend):
    """A mail server that takes nothing."""

    def send_messages(self, email_messages: Any) -> int:
        raise ConnectionRefusedError


@pytest.fixture(autouse=True)
def _outbox(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "EMAIL_BACKEND", "django.core.mail.backends.locmem.EmailBackend")
    monkeypatch.setattr(mail, "outbox", [], raising=False)
    monkeypatch.setattr(settings, "GATEWAY", dataclasses.replace(settings.GATEWAY, budget_wait=0))


def spend(cast: Cast, amount: str) -> None:
    call_id = _hold(Caller(tenant_id=cast.acme.pk, user_id=cast.alice.pk), Decimal(amount))
    with tenant_scope(cast.acme.pk):
        settle(call_id, Decimal(amount))


def budget(cast: Cast, **fields: Any) -> None:
    with tenant_scope(cast.acme.pk):
        Budget.objects.create(tenant=cast.acme, limit=10, **fields)


def hook(cast: Cast, url: str = "https://hooks.example.com/in") -> AlertWebhook:
    with tenant_scope(cast.acme.pk):
        return AlertWebhook.objects.create(tenant=cast.acme, url=url)


def due_now(cast: Cast) -> None:
    """Lets the next attempt be due."""
    with tenant_scope(cast.acme.pk):
        AlertDelivery.objects.update(due_at=timezone.now())


def states(cast: Cast) -> list[tuple[str, int, str]]:
    with tenant_scope(cast.acme.pk):
        return list(AlertDelivery.objects.order_by("alert", "pk").values_list("state", "attempts", "error"))


def test_every_admin_is_mailed_once_for_each_threshold(cast: Cast) -> None:
    budget(cast)
    second = User.objects.create_user("second@example.com", "correct-horse-battery")
    with tenant_scope(cast.acme.pk):
        Membership.objects.create(tenant=cast.acme, user=second, role=Role.ADMIN)
    spend(cast, "4.99")
    assert send_alerts() == 0
    for amount in ("0.01", "1", "2", "0.5"):  # 5.00, 6.00, 8.00, 8.50
        spend(cast, amount)
        send_alerts()
        send_alerts()
    assert [message.to for message in mail.outbox] == [["ada@example.com"], ["second@example.com"]] * 2
    assert [re.search(r"\d+ %", message.subject).group() for message in mail.outbox[::2]] == ["50 %", "80 %"]  # type: ignore[union-attr]
    first = mail.outbox[0]
    assert first.subject == "[Acme] The monthly budget of the whole company is at 50 %"
    assert "$5.00 of $10.00" in first.body
    assert "Once it is used up, calls are refused" in first.body


def test_a_refusal_is_told_once_with_what_is_left(cast: Cast) -> None:
    budget(cast, user=cast.alice)
    spend(cast, "4")
    for _ in range(3):
        with pytest.raises(Exception, match="does not hold this call"):
            spend(cast, "7")
    send_alerts()
    (message,) = mail.outbox
    assert message.subject == "[Acme] The monthly budget of Alice refuses calls"
    assert "$4.00 of $10.00" in message.body


def test_a_soft_budget_says_that_calls_go_on(cast: Cast) -> None:
    budget(cast, soft=True, purpose="answer")
    spend(cast, "11")
    send_alerts()
    ours = [message for message in mail.outbox if "budget of answer" in message.subject]
    assert [message.subject.rpartition(" is at ")[2] for message in ours] == ["50 %", "80 %", "100 %"]
    assert all("calls go on" in message.body for message in ours)


def test_other_tenants_hear_nothing(cast: Cast) -> None:
    budget(cast)
    with tenant_scope(cast.mallory_co.pk):
        AlertWebhook.objects.create(tenant=cast.mallory_co, url="https://mallory.example/")
    spend(cast, "6")
    assert alerts.send_due(post=_refusing) == 1
    assert {message.to[0] for message in mail.outbox} == {"ada@example.com"}


def _refusing(url: str, body: bytes, secret: str, delivery_id: str) -> None:
    raise WebhookFailed("answered with status 500")


async def test_a_webhook_gets_the_figures_signed(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "GATEWAY", dataclasses.replace(settings.GATEWAY, webhook_loopback=True))
    async with serving([failure(500, "no"), Script((b"ok",))]) as server:
        made = await in_database(hook, cast, f"{server.url}/in")
        await in_database(budget, cast)
        await in_database(spend, cast, "6.5")
        for _ in range(3):
            await in_database(send_alerts)
            await in_database(due_now, cast)
    refused, taken = server.requests
    timestamp = int(re.search(r"t=(\d+)", taken.headers["citedesk-signature"]).group(1))  # type: ignore[union-attr]
    body = json.dumps(taken.body).encode()
    assert taken.headers["citedesk-signature"] == webhooks.signature(webhooks.secret_of(made), body, timestamp)
    assert taken.headers["citedesk-delivery"] == refused.headers["citedesk-delivery"] == taken.body["id"]
    assert (taken.body["threshold"], taken.body["used_usd"], taken.body["tenant"]) == (50, "6.5000000000", "acme")


@pytest.mark.threat("R2")
def test_an_alert_outlives_a_mail_server_and_a_webhook_that_are_down(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    budget(cast)
    hook(cast)
    spend(cast, "6")
    with monkeypatch.context() as down:
        down.setattr(settings, "EMAIL_BACKEND", f"{__name__}.Broken")
        assert alerts.send_due(post=_refusing) == 0
        assert alerts.send_due(post=_refusing) == 0, "not before the pause is over"
    assert sorted(states(cast)) == [
        ("waiting", 1, "answered with status 500"),
        ("waiting", 1, "mail server: ConnectionRefusedError"),
    ]
    due_now(cast)
    assert alerts.send_due(post=lambda *_: None) == 2
    assert [state for state, _attempts, _error in states(cast)] == ["sent", "sent"]


def test_a_recipient_that_never_answers_is_given_up_and_said_so(cast: Cast) -> None:
    budget(cast)
    hook(cast)
    spend(cast, "6")
    for _ in range(alerts.ATTEMPTS + 2):
        alerts.send_due(post=_refusing)
        due_now(cast)
    assert ("failed", alerts.ATTEMPTS, "answered with status 500") in states(cast)


@pytest.mark.threat("R3")
async def test_workers_that_send_at_the_same_time_send_once(cast: Cast) -> None:
    await in_database(budget, cast)
    await in_database(spend, cast, "6")
    await asyncio.gather(*(in_database(send_alerts) for _ in range(8)))
    assert len(mail.outbox) == 1


def test_a_delivery_whose_worker_died_is_sent_by_the_next(cast: Cast) -> None:
    budget(cast)
    spend(cast, "6")
    with tenant_scope(cast.acme.pk):
        alerts.announce(BudgetAlert.objects.get())
        AlertDelivery.objects.update(state=DeliveryState.SENDING, attempts=1, due_at=timezone.now() + timedelta(9))
    assert send_alerts() == 0
    due_now(cast)
    assert send_alerts() == 1
    assert "Message-ID" in mail.outbox[0].extra_headers


def test_the_worker_sends_by_the_clock() -> None:
    assert send_alerts.name in {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}
