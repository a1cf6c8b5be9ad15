"""A tenant's rows are seen by that tenant alone, whatever a query forgets."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.apps import apps
from django.db import ProgrammingError, connection, models
from django.utils import timezone

from accounts.models import ApiKey, Membership, Role, TenantModel
from accounts.permissions import actor_for, actor_for_key, administered_tenants
from accounts.tenancy import tenant_scope
from knowledge.models import Document
from tests.conftest import Cast, TestDatabase

TENANT_MODELS = [model for model in apps.get_models() if issubclass(model, TenantModel)]


@pytest.mark.threat("T7")
@pytest.mark.parametrize("model", TENANT_MODELS, ids=lambda model: model._meta.label)
def test_every_tenant_table_is_protected_from_its_owner_too(model: type[models.Model], live_db: TestDatabase) -> None:
    with live_db.superuser() as superuser:
        row = superuser.execute(
            "SELECT relrowsecurity, relforcerowsecurity, relowner::regrole::text"
            " FROM pg_class WHERE oid = %s::regclass",
            [model._meta.db_table],
        ).fetchone()
    assert row == (True, True, "citedesk_owner")


@pytest.mark.threat("T7")
def test_the_application_can_neither_bypass_policies_nor_own_tables(live_db: TestDatabase) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT rolsuper, rolbypassrls, rolcreaterole FROM pg_roles WHERE rolname = current_user")
        assert cursor.fetchone() == (False, False, False)
        cursor.execute("SELECT count(*) FROM pg_class WHERE pg_get_userbyid(relowner) = current_user")
        assert cursor.fetchone() == (0,)


@pytest.mark.threat("T7")
def test_without_a_tenant_there_are_no_rows(cast: Cast, learn: Callable[..., None]) -> None:
    learn(("Returns", "You can return a lamp within 30 days of delivery."))
    assert Document._base_manager.count() == 0
    assert Membership._base_manager.count() == 0


@pytest.mark.threat("T7")
def test_a_query_that_forgets_the_filter_leaks_nothing(cast: Cast, learn: Callable[..., None]) -> None:
    learn(("Returns", "You can return a lamp within 30 days of delivery."))
    with tenant_scope(cast.mallory_co.pk), connection.cursor() as cursor:
        for model in TENANT_MODELS:
            cursor.execute(f'SELECT count(*) FROM "{model._meta.db_table}" WHERE tenant_id = %s', [cast.acme.pk])
            assert cursor.fetchone() == (0,), model
    with tenant_scope(cast.acme.pk):
        assert Document.objects.count() == 1


def test_a_row_cannot_be_written_into_another_tenant(cast: Cast) -> None:
    with pytest.raises(ProgrammingError, match="row-level security"), tenant_scope(cast.mallory_co.pk):
        Membership.objects.create(tenant=cast.acme, user=cast.mallory, role=Role.ADMIN)


@pytest.mark.threat("T6")
def test_a_connection_carries_no_tenant_after_an_exception(cast: Cast, learn: Callable[..., None]) -> None:
    learn(("Returns", "You can return a lamp within 30 days of delivery."))
    with pytest.raises(ZeroDivisionError), tenant_scope(cast.acme.pk):
        raise ZeroDivisionError
    assert Document._base_manager.count() == 0


def test_an_inner_scope_gives_way_to_the_outer_one(cast: Cast) -> None:
    with tenant_scope(cast.acme.pk):
        with tenant_scope(cast.mallory_co.pk):
            assert Membership._base_manager.count() == 1
        assert Membership._base_manager.count() == 3


def test_a_stranger_is_nobody_in_a_tenant(cast: Cast) -> None:
    assert actor_for(cast.mallory, "acme") is None
    assert actor_for(cast.alice, "acme") is not None


def test_a_suspended_tenant_has_no_members(cast: Cast) -> None:
    cast.acme.suspended_at = timezone.now()
    cast.acme.save()
    assert actor_for(cast.alice, "acme") is None


def test_admins_administer_their_own_tenant_and_customers_none(cast: Cast) -> None:
    assert administered_tenants(cast.ada) == [cast.acme.pk]
    assert administered_tenants(cast.alice) == []


def issue(cast: Cast, **changes: object) -> str:
    with tenant_scope(cast.acme.pk):
        key, text = ApiKey.issue(tenant=cast.acme, owner=cast.adam, name="CRM", scopes=["ask"])
        ApiKey.objects.filter(pk=key.pk).update(**changes) if changes else None
    return text


def test_an_api_key_acts_as_its_owner_within_its_scopes(cast: Cast) -> None:
    actor = actor_for_key(issue(cast), "acme")
    assert actor is not None
    assert (actor.user_id, actor.role, actor.scopes) == (cast.adam.pk, Role.AGENT, frozenset({"ask"}))


@pytest.mark.threat("T5", "T9")
def test_a_key_is_dead_when_revoked_expired_or_its_owner_has_left(cast: Cast) -> None:
    assert actor_for_key(issue(cast, revoked_at=timezone.now()), "acme") is None
    assert actor_for_key(issue(cast, expires_at=timezone.now() - timedelta(seconds=1)), "acme") is None
    good = issue(cast)
    with tenant_scope(cast.acme.pk):
        Membership.objects.filter(user=cast.adam).delete()
    assert actor_for_key(good, "acme") is None


@pytest.mark.threat("T1")
def test_a_key_of_one_tenant_opens_no_other(cast: Cast) -> None:
    assert actor_for_key(issue(cast), "mallory") is None


def test_a_call_by_key_is_known_as_the_keys_own(cast: Cast) -> None:
    actor = actor_for_key(issue(cast), "acme")
    with tenant_scope(cast.acme.pk):
        key = ApiKey.objects.get()
    assert actor is not None
    assert (actor.api_key_id, actor.user_id) == (str(key.pk), key.owner_id)
    assert cast.actor("adam").api_key_id == ""


@pytest.mark.threat("T12")
def test_only_a_digest_of_a_key_is_kept(cast: Cast, live_db: TestDatabase) -> None:
    text = issue(cast)
    with live_db.superuser() as superuser:
        rows = superuser.execute("SELECT accounts_apikey::text FROM accounts_apikey").fetchall()
    assert len(rows) == 1
    assert text.split("_")[2] not in rows[0][0]


@pytest.mark.parametrize("text", ["", "cdk", "cdk_", "cdk__", "cdk_abc_", "sk-1234", "cdk_'; --_x", "cdk_00_00"])
def test_nonsense_is_no_key(text: str, cast: Cast) -> None:
    assert actor_for_key(text, "acme") is None
