"""A ticket of alice's, and what would have gone to the worker's queue."""

from __future__ import annotations

import pytest

from accounts.tenancy import tenant_scope
from tests.conftest import Cast
from tickets import actions
from tickets.models import Ticket

QUESTION = "How long do I have to return a lamp?"
RETURNS = (
    "Returning a lamp",
    "You can return a lamp within 30 days of delivery. Pack it in its box and keep the receipt.",
)


@pytest.fixture(autouse=True)
def queued(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of the drafts that were queued."""
    ids: list[str] = []
    monkeypatch.setattr(actions, "_enqueue", lambda tenant_id, draft_id: ids.append(draft_id))
    return ids


@pytest.fixture
def ticket(cast: Cast) -> Ticket:
    with tenant_scope(cast.acme.pk):
        return actions.open_ticket(actor=cast.actor("alice"), subject="Returning my lamp", text=QUESTION)
