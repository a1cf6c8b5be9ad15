"""The API against its own description, over real HTTP: never a 500, nothing but what the document says,
and errors of one shape. `make openapi` writes the description anew after a change that is meant."""

from __future__ import annotations

import difflib
import json
import re
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from django.test import Client
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks

from accounts.tenancy import tenant_scope
from assistant.models import Conversation, Message
from config.api import api
from knowledge.models import Document, Source
from tests.conftest import PASSWORD, Cast
from tickets import actions
from tickets.models import Draft

ERRORS = Path(__file__).parents[2] / "docs" / "errors.md"
SNAPSHOT = Path(__file__).parents[1] / "data" / "openapi.json"
DOCUMENT: dict[str, Any] = json.loads(json.dumps(api.get_openapi_schema()))
CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
]
EXAMPLES = 5  # of each operation and role, beside the bounds that schemathesis tries of each field
CODES = set(re.findall(r"`([a-z_]+)`", re.sub(r"(?m)^(?!\| `).*|\|[^|]*\|[^|]*\|$", "", ERRORS.read_text())))
schema = schemathesis.openapi.from_dict(DOCUMENT)


def lines(document: dict[str, Any]) -> list[str]:
    return json.dumps(document, indent=2, sort_keys=True).splitlines(True)


def test_the_description_is_the_one_that_clients_know() -> None:
    known = json.loads(SNAPSHOT.read_text())
    diff = "".join(difflib.unified_diff(lines(known), lines(DOCUMENT), "clients know", "it is now"))
    assert diff == "", f"if this is meant, run `make openapi`:\n{diff}"


@pytest.fixture(params=["alice", "adam"])
def visitor(request: pytest.FixtureRequest, cast: Cast) -> requests.Session:
    """A customer or an agent, signed in, with the token that our pages send along."""
    client = Client()
    assert client.login(email=f"{request.param}@example.com", password=PASSWORD)
    token = "t" * 32
    session = requests.Session()
    session.cookies.update({"sessionid": client.cookies["sessionid"].value, "csrftoken": token})
    session.headers["X-CSRFToken"] = token
    return session


@pytest.fixture
def there(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Values for the parameters of paths that lead somewhere."""
    monkeypatch.setattr(actions, "_enqueue", lambda tenant_id, draft_id: None)
    with tenant_scope(cast.acme.pk):
        chat = Conversation.objects.create(tenant=cast.acme, user=cast.alice, title="Lamp")
        answer = Message.objects.create(tenant=cast.acme, conversation=chat, number=1, role="assistant", text="Yes.")
        ticket = actions.open_ticket(actor=cast.actor("alice"), subject="Lamp", text="It is broken.")
        actions.reply(ticket, actor=cast.actor("adam"), text="Is it?")
        actions.customer_writes(ticket, actor=cast.actor("alice"), text="Yes.")
        draft = Draft.objects.order_by("-created_at").first()
        source = Source.objects.create(tenant=cast.acme, name="Lamps", kind="api")
        document = Document.objects.create(tenant=cast.acme, source=source, external_id="lamp", title="Lamps")
    assert draft is not None
    return {
        "tenant": "acme",
        "number": ticket.number,
        "conversation": str(chat.pk),
        "message": str(answer.pk),
        "draft": str(draft.pk),
        "document_id": str(document.pk),
    }


@pytest.mark.slow
@pytest.mark.threat("T11")
@schema.parametrize()
@settings(
    max_examples=EXAMPLES,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
def test_the_api_keeps_to_its_description(
    case: schemathesis.Case, visitor: requests.Session, there: dict[str, Any], site: str
) -> None:
    for parameters in ({}, {name: there[name] for name in case.path_parameters or {}}):
        case.path_parameters = {**(case.path_parameters or {}), **parameters}
        response = case.call(base_url=site, session=visitor, timeout=60)
        case.validate_response(response, checks=CHECKS)
        # Without headers it is the HTTP server that refuses what is no HTTP, before anything of ours.
        if response.status_code >= 400 and case.method != "HEAD" and response.headers:
            problem = response.json()
            assert response.headers["content-type"] == ["application/problem+json"]
            assert problem["code"] in CODES
            assert problem["status"] == response.status_code
