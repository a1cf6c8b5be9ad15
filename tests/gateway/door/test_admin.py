"""Keys and policies for programs, as a tenant's admin makes them."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import ApiKey
from accounts.tenancy import tenant_scope
from gateway.door.grants import _look_up
from gateway.door.secrets import Kind
from gateway.models import DoorPolicy
from tests.conftest import PASSWORD, Cast


@pytest.fixture
def ada(cast: Cast) -> Client:
    client = Client()
    assert client.login(email="ada@example.com", password=PASSWORD)
    return client


def test_a_key_is_bound_to_its_purpose_and_models_and_shown_once(cast: Cast, ada: Client) -> None:
    given: dict[str, Any] = {
        "tenant": cast.acme.pk,
        "owner": cast.adam.pk,
        "name": "CRM",
        "scopes": ["gateway"],
        "purpose": "crm",
        "allowed_models": "citedesk/answer, gpt-6-luna",
    }
    page = ada.post(reverse("admin:accounts_apikey_add"), given, follow=True).content.decode()
    [text] = re.findall(r"cdk_[0-9a-f]{12}_[\w-]+", page)
    grant = _look_up(text)
    assert (grant.caller.purpose, grant.models) == ("crm", ("citedesk/answer", "gpt-6-luna"))
    with tenant_scope(cast.acme.pk):
        key = ApiKey.objects.get()
    assert text not in ada.get(reverse("admin:accounts_apikey_change", args=[key.pk])).content.decode()


def test_a_policy_is_set_by_the_tenants_admin(cast: Cast, ada: Client) -> None:
    given = {"tenant": cast.acme.pk, "classification": "internal", "block_tokens": "on", "blocked_repositories": "a/b"}
    ada.post(reverse("admin:gateway_doorpolicy_add"), given)
    with tenant_scope(cast.acme.pk):
        _key, text = ApiKey.issue(tenant=cast.acme, owner=cast.adam, name="CRM", scopes=["gateway"])
        assert DoorPolicy.objects.count() == 1
    grant = _look_up(text)
    assert (grant.secrets, grant.repositories) == (frozenset({Kind.TOKEN}), (("a", "b"),))
    assert (grant.caller.classification.value, grant.caller.purpose) == ("internal", "gateway")
