"""Who clears which providers, in the admin."""

from __future__ import annotations

import pytest

from accounts.tenancy import tenant_scope
from gateway.models import RedactionPolicy
from tests.conftest import Cast
from tests.gateway.conftest import SignIn

PAGE = "/admin/gateway/redactionpolicy/"


def cleared(cast: Cast) -> list[str] | None:
    with tenant_scope(cast.acme.pk):
        found: list[str] | None = RedactionPolicy.objects.values_list("cleared", flat=True).first()
        return found


def test_an_admin_clears_providers_for_their_tenant(cast: Cast, sign_in: SignIn) -> None:
    client = sign_in("ada")
    response = client.post(f"{PAGE}add/", {"tenant": cast.acme.pk, "cleared": ["openai", "compatible"]})
    assert response.status_code == 302
    assert cleared(cast) == ["openai", "compatible"]
    assert "openai, compatible" in client.get(PAGE).content.decode()
    client.post(f"{PAGE}{cast.acme.pk}/change/", {"cleared": []})
    assert cleared(cast) == []


def test_a_provider_that_does_not_exist_is_refused(cast: Cast, sign_in: SignIn) -> None:
    response = sign_in("ada").post(f"{PAGE}add/", {"tenant": cast.acme.pk, "cleared": ["somebody"]})
    assert response.status_code == 200
    assert cleared(cast) is None


@pytest.mark.threat("T1")
def test_another_tenants_admin_sees_and_changes_nothing(cast: Cast, sign_in: SignIn) -> None:
    with tenant_scope(cast.acme.pk):
        RedactionPolicy.objects.create(tenant=cast.acme, cleared=["openai"])
    client = sign_in("mallory")
    assert "openai" not in client.get(PAGE).content.decode()
    client.post(f"{PAGE}{cast.acme.pk}/change/", {"cleared": ["gemini"]})
    client.post(f"{PAGE}add/", {"tenant": cast.acme.pk, "cleared": ["gemini"]})
    assert cleared(cast) == ["openai"]
