"""The audit log and the budgets in Django admin."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import ApiKey, User
from accounts.tenancy import tenant_scope
from gateway.admin import AuditRecordAdmin
from gateway.audit.erasure import erase
from gateway.audit.story import waterfall
from gateway.models import AuditRecord, Budget
from tests.conftest import Cast, TestDatabase
from tests.gateway.conftest import SignIn
from tests.gateway.test_audit import write

LIST = "/admin/gateway/auditrecord/"


def test_an_admin_reads_one_record_as_a_story(cast: Cast, sign_in: SignIn) -> None:
    first, second = write(cast, 2)
    page = sign_in("ada").get(reverse("admin:gateway_auditrecord_change", args=[second.pk]))
    text = page.content.decode()
    for expected in (
        "How do I reset?",
        "Press reset.",
        'href="/reset"',
        "supported",
        "This record is as it was written",
    ):
        assert expected in text
    assert str(first.pk) in text, "the predecessor is linked"


def test_the_list_says_what_was_asked_in_as_many_queries_for_a_page_as_for_a_row(
    cast: Cast, sign_in: SignIn, django_assert_max_num_queries: Any
) -> None:
    client = sign_in("ada")
    write(cast)
    with CaptureQueriesContext(connection) as one:
        assert "How do I reset?" in client.get(LIST).content.decode()
    write(cast, 20, question="Where is my lamp? " * 30)
    with django_assert_max_num_queries(len(one)):
        page = client.get(LIST).content.decode()
    assert page.count("Where is my lamp? Where is my lamp? Where is my lamp?") == 20
    assert "Where is my lamp? " * 4 not in page, "the first words are enough"


@pytest.mark.threat("A4")
def test_the_list_says_nothing_of_what_an_erased_person_asked(cast: Cast, sign_in: SignIn) -> None:
    write(cast)
    with tenant_scope(cast.acme.pk):
        erase(cast.acme.pk, cast.alice.pk, by=cast.ada.pk)
    page = sign_in("ada").get(LIST).content.decode()
    assert "How do I reset?" not in page
    assert "(completion)" in page


@pytest.mark.threat("O3")
def test_text_in_a_record_never_becomes_markup_or_a_script_link(cast: Cast, sign_in: SignIn) -> None:
    (record,) = write(cast, text="<script>alert(1)</script><img src=x onerror=alert(1)>")
    text = sign_in("ada").get(reverse("admin:gateway_auditrecord_change", args=[record.pk])).content.decode()
    assert "<script>alert" not in text
    assert "<img" not in text
    assert not re.search(r"<[^>]+ style=", text), "the content security policy forbids inline style"


@pytest.mark.threat("T1")
def test_records_of_other_tenants_are_not_there(cast: Cast, sign_in: SignIn) -> None:
    (ours,) = write(cast)
    (theirs,) = write(cast, tenant="mallory_co")
    client = sign_in("ada")
    assert client.get(reverse("admin:gateway_auditrecord_change", args=[theirs.pk])).status_code == 404
    page = client.get(LIST).content.decode()
    assert str(ours.pk) in page
    assert str(theirs.pk) not in page
    assert "Mallory" not in page


def test_the_operator_sees_every_tenant(cast: Cast) -> None:
    records = [*write(cast), *write(cast, tenant="mallory_co")]
    client = Client()
    operator = User.objects.create_superuser("root@example.com", "correct-horse-battery")
    client.force_login(operator, backend="allauth.account.auth_backends.AuthenticationBackend")
    page = client.get(LIST).content.decode()
    assert all(str(record.pk) in page for record in records)


@pytest.mark.parametrize("name", ["alice", "adam"])
def test_customers_and_agents_may_not_enter(sign_in: SignIn, name: str) -> None:
    assert sign_in(name).get(LIST, follow=True).status_code == 403


def test_somebody_who_is_not_signed_in_is_sent_to_the_sign_in_page(cast: Cast) -> None:
    response = Client().get(LIST, follow=True)
    assert any("/login" in url for url, _status in response.redirect_chain)


@pytest.mark.threat("A1")
def test_nothing_in_the_log_can_be_added_changed_or_deleted(cast: Cast, sign_in: SignIn) -> None:
    (record,) = write(cast)
    client = sign_in("ada")
    assert client.get(f"{LIST}add/").status_code == 403
    assert client.post(f"{LIST}{record.pk}/delete/", {"post": "yes"}).status_code == 403
    client.post(f"{LIST}{record.pk}/change/", {"cost": "9"})
    with tenant_scope(cast.acme.pk):
        assert AuditRecord.objects.get().cost == 0


def test_the_list_shows_totals_and_finds_words_of_an_answer(cast: Cast, sign_in: SignIn) -> None:
    write(cast, 2)
    (other,) = write(cast, text="Turn the blue key.")
    client = sign_in("ada")
    assert "3 records" in client.get(LIST).content.decode()
    found = client.get(LIST, {"q": "blue key"}).content.decode()
    assert "1 record<" in found
    assert str(other.pk) in found


def test_every_filter_works(cast: Cast, sign_in: SignIn) -> None:
    write(cast)
    client = sign_in("ada")
    for name in (
        "tenant",
        "kind",
        "purpose",
        "provider",
        "model",
        "verdict",
        "finish_reason",
        "actor__user__id__exact",
    ):
        value = {"tenant": cast.acme.pk, "actor__user__id__exact": cast.alice.pk, "kind": "completion"}.get(
            name, "nothing"
        )
        parameter = "kind__exact" if name == "kind" else name
        assert client.get(LIST, {parameter: value}).status_code == 200, name
    assert {"kind", "verdict", "model"} <= {name for name in AuditRecordAdmin.list_filter if isinstance(name, str)}


@pytest.mark.threat("A2")
def test_a_changed_record_and_a_broken_chain_are_shown_as_such(
    cast: Cast, sign_in: SignIn, live_db: TestDatabase
) -> None:
    _first, second = write(cast, 2)
    with live_db.superuser() as intruder:
        intruder.execute("SET session_replication_role = replica")
        intruder.execute("UPDATE gateway_auditrecord SET model = 'other' WHERE sequence = 2")
        intruder.execute("UPDATE gateway_audithead SET sequence = 1")
    client = sign_in("ada")
    page = client.get(reverse("admin:gateway_auditrecord_change", args=[second.pk])).content.decode()
    assert "This record was changed" in page
    assert "chain broken" in client.get(LIST).content.decode()


def test_an_admin_sets_a_limit_and_sees_what_is_used(cast: Cast, sign_in: SignIn) -> None:
    with tenant_scope(cast.acme.pk):
        budget = Budget.objects.create(tenant=cast.acme, limit=5)
    client = sign_in("ada")
    assert "$0.0000" in client.get("/admin/gateway/budget/").content.decode()
    client.post(f"/admin/gateway/budget/{budget.pk}/change/", {"limit": "7.5"})
    with tenant_scope(cast.acme.pk):
        assert Budget.objects.get().limit == Decimal("7.5")
    assert client.post(f"/admin/gateway/budget/{budget.pk}/delete/", {"post": "yes"}).status_code == 403


@pytest.mark.threat("T1", "T2")
def test_choices_name_no_stranger_and_no_other_tenant(cast: Cast, sign_in: SignIn) -> None:
    page = sign_in("ada").get("/admin/gateway/budget/add/").content.decode()
    assert "Acme" in page
    assert "Mallory" not in page


def test_a_key_is_shown_once_when_it_is_issued(cast: Cast, sign_in: SignIn) -> None:
    client = sign_in("ada")
    form = {"tenant": cast.acme.pk, "owner": cast.adam.pk, "name": "ci", "scopes": ["ask"]}
    shown = client.post("/admin/accounts/apikey/add/", form, follow=True).content.decode()
    key = re.search(r"cdk_[0-9a-f]{12}_[\w-]+", shown)
    assert key is not None
    assert key.group() not in client.get("/admin/accounts/apikey/").content.decode()
    with tenant_scope(cast.acme.pk):
        assert ApiKey.objects.get().matches(key.group().split("_", 2)[2])


def test_every_page_of_the_admin_opens_for_a_tenants_admin(cast: Cast, sign_in: SignIn) -> None:
    client = sign_in("ada")
    for path in ("", "accounts/tenant/", "accounts/membership/", "accounts/membership/add/", "accounts/apikey/add/"):
        assert client.get(f"/admin/{path}").status_code == 200, path
    assert client.get("/admin/accounts/user/").status_code == 403, "accounts are the operator's"


def test_the_waterfall_is_to_scale() -> None:
    bars = waterfall({"queue_ms": 100, "first_token_ms": 200, "total_ms": 500, "checked_ms": 100})
    assert [(bar.x, bar.width) for bar in bars] == [(0, 100), (100, 100), (200, 300), (500, 100)]
