"""Documents in Django admin."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from accounts.tenancy import tenant_scope
from knowledge.models import Document, State
from knowledge.tasks import index_document
from tests.conftest import Cast

LIST = "/admin/knowledge/document/"


@pytest.fixture
def sign_in(cast: Cast) -> Callable[[str], Client]:
    def client_of(name: str) -> Client:
        client = Client()
        client.force_login(getattr(cast, name), backend="allauth.account.auth_backends.AuthenticationBackend")
        return client

    return client_of


def test_an_admin_sees_each_document_with_its_state(cast: Cast, learn: Callable, sign_in: Callable) -> None:
    learn(("Refunds", "A refund takes fourteen days."))
    with tenant_scope(cast.acme.pk):
        Document.objects.create(
            tenant=cast.acme,
            source=Document.objects.get().source,
            external_id="broken.pdf",
            title="Broken",
            state=State.FAILED,
            error_code="encrypted",
            error_hint="Save it without a password.",
        )
    text = sign_in("ada").get(LIST).content.decode()
    for expected in ("Refunds", "searchable", "Broken", "Save it without a password."):
        assert expected in text
    with tenant_scope(cast.acme.pk):
        document = Document.objects.get(title="Refunds")
    page = sign_in("ada").get(reverse("admin:knowledge_document_change", args=[document.pk])).content.decode()
    assert "A refund takes fourteen days." in page
    assert '<input type="submit"' not in page, "nothing can be saved"


@pytest.mark.threat("T1")
def test_documents_of_other_tenants_are_not_there(cast: Cast, learn: Callable, sign_in: Callable) -> None:
    learn(("Refunds", "A refund takes fourteen days."))
    with tenant_scope(cast.acme.pk):
        document = Document.objects.get()
    mallory = sign_in("mallory")
    assert "Refunds" not in mallory.get(LIST).content.decode()
    page = mallory.get(reverse("admin:knowledge_document_change", args=[document.pk]), follow=True)
    assert "fourteen" not in page.content.decode()


def test_a_document_can_be_indexed_again(
    cast: Cast, learn: Callable, sign_in: Callable, django_capture_on_commit_callbacks: Callable
) -> None:
    learn(("Refunds", "A refund takes fourteen days."))
    with tenant_scope(cast.acme.pk):
        document = Document.objects.get()
    response = sign_in("ada").post(LIST, {"action": "index_again", "_selected_action": str(document.pk)}, follow=True)
    assert "1 document waits to be indexed." in response.content.decode()
    with tenant_scope(cast.acme.pk):
        assert Document.objects.get().state == State.PENDING
    assert index_document(cast.acme.pk, str(document.pk)) == "indexed"


def test_agents_and_customers_do_not_enter(cast: Cast, sign_in: Callable) -> None:
    for name in ("alice", "adam"):
        assert sign_in(name).get(LIST, follow=True).status_code == 403
