"""What an admin sees and sets of budgets."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import pytest

from accounts.tenancy import tenant_scope
from gateway import addresses
from gateway.budgets import settle
from gateway.models import AlertWebhook, Budget, BudgetAlert
from gateway.tasks import send_alerts
from gateway.types import Caller
from gateway.webhooks import secret_of
from tests.conftest import Cast
from tests.gateway.conftest import SignIn
from tests.gateway.test_alerts import _outbox
from tests.gateway.test_budgets import _hold

__all__ = ["_outbox"]

LIST, HOOKS = "/admin/gateway/budget/", "/admin/gateway/alertwebhook/"


def used(cast: Cast, amount: str, **fields: Any) -> Budget:
    """A budget of acme's with a limit of $10, of which `amount` is used."""
    caller = Caller(tenant_id=cast.acme.pk, user_id=cast.alice.pk)
    with tenant_scope(cast.acme.pk):
        budget: Budget = Budget.objects.create(tenant=cast.acme, limit=10, **fields)
        settle(_hold(caller, Decimal(amount)), Decimal(amount))
        return budget


def test_the_list_shows_use_kind_and_who_was_told(cast: Cast, sign_in: SignIn) -> None:
    used(cast, "6")
    used(cast, "1", user=cast.alice, soft=True)
    send_alerts()
    page = sign_in("ada").get(LIST).content.decode()
    for expected in ("$7.0000 (70%)", "hard: refuses", "soft: alerts", "50 % (1/1)", "monthly budget of Alice"):
        assert expected in page


@pytest.mark.threat("O3")
def test_a_budget_shows_its_alerts_and_what_became_of_them(cast: Cast, sign_in: SignIn) -> None:
    budget = used(cast, "6")
    with tenant_scope(cast.acme.pk):
        AlertWebhook.objects.create(tenant=cast.acme, url="https://10.0.0.1/<script>")
    send_alerts()
    page = sign_in("ada").get(f"{LIST}{budget.pk}/change/").content.decode()
    assert "ada@example.com (sent)" in page
    assert "$6.0000 / $10.00" in page
    assert "(failed: 10.0.0.1 leads to 10.0.0.1, which is not a public address)" in page
    assert "https://10.0.0.1/&lt;script&gt;" in page


def test_an_admin_makes_a_soft_budget_for_a_purpose(cast: Cast, sign_in: SignIn) -> None:
    form = {"tenant": cast.acme.pk, "purpose": "draft", "period": "daily", "limit": "3", "soft": "on"}
    sign_in("ada").post(f"{LIST}add/", form)
    with tenant_scope(cast.acme.pk):
        budget = Budget.objects.get()
    assert (budget.level, budget.period, budget.soft, budget.limit) == ("purpose", "daily", True, 3)


def test_a_banner_stands_above_every_page_from_eighty_per_cent_on(cast: Cast, sign_in: SignIn) -> None:
    used(cast, "7.9")
    client = sign_in("ada")
    assert "messagelist" not in client.get("/admin/").content.decode()
    with tenant_scope(cast.acme.pk):
        settle(_hold(Caller(tenant_id=cast.acme.pk), Decimal("0.1")), Decimal("0.1"))
    for path in ("/admin/", LIST, "/admin/gateway/auditrecord/"):
        page = client.get(path).content.decode()
        assert "The monthly budget of the whole company</a>" in page
        assert "is 80 % used: $8.00 of $10.00." in page


@pytest.mark.threat("T1")
def test_the_banner_names_no_other_tenants_budget(cast: Cast, sign_in: SignIn) -> None:
    used(cast, "9")
    assert "messagelist" not in sign_in("mallory").get("/admin/").content.decode()


@pytest.mark.threat("T12")
def test_a_webhooks_secret_is_shown_once_and_can_be_renewed(
    cast: Cast, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(addresses, "resolve", lambda _host, _port: ["93.184.215.14"])
    client = sign_in("ada")
    form = {"tenant": cast.acme.pk, "url": "https://hooks.example.com/in", "active": "on"}
    shown = client.post(f"{HOOKS}add/", form, follow=True).content.decode()
    secret = re.search(r"whs_[0-9a-f]{64}", shown)
    with tenant_scope(cast.acme.pk):
        made = AlertWebhook.objects.get()
    assert secret is not None
    assert secret.group() == secret_of(made)
    assert "whs_" not in client.get(f"{HOOKS}{made.pk}/change/").content.decode()
    client.post(HOOKS, {"action": "renew_secret", "_selected_action": made.pk})
    with tenant_scope(cast.acme.pk):
        assert secret_of(AlertWebhook.objects.get()) != secret.group()


@pytest.mark.threat("S1", "S6")
@pytest.mark.parametrize(
    ("url", "address"), [("http://hooks.example.com/", "93.184.215.14"), ("https://2130706433/", "127.0.0.1")]
)
def test_a_webhook_into_the_private_network_is_refused_in_the_form(
    cast: Cast, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch, url: str, address: str
) -> None:
    monkeypatch.setattr(addresses, "resolve", lambda _host, _port: [address])
    form = {"tenant": cast.acme.pk, "url": url, "active": "on"}
    assert "errorlist" in sign_in("ada").post(f"{HOOKS}add/", form).content.decode()
    with tenant_scope(cast.acme.pk):
        assert not AlertWebhook.objects.exists()


@pytest.mark.threat("T1")
def test_alerts_and_webhooks_of_other_tenants_are_not_there(cast: Cast, sign_in: SignIn) -> None:
    budget = used(cast, "6")
    with tenant_scope(cast.acme.pk):
        made = AlertWebhook.objects.create(tenant=cast.acme, url="https://hooks.example.com/in")
        assert BudgetAlert.objects.exists()
    client = sign_in("mallory")
    assert client.get(f"{LIST}{budget.pk}/change/").status_code == 302
    assert client.get(f"{HOOKS}{made.pk}/change/").status_code == 302
    assert "hooks.example.com" not in client.get(HOOKS).content.decode()
