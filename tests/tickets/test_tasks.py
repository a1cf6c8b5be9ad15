"""Drafts by the worker, and what the sweeps find."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

import assistant.tasks
from accounts.tenancy import tenant_scope
from assistant.models import Conversation, Message, Status
from tests.conftest import Cast
from tests.tickets.conftest import RETURNS
from tickets import actions, tasks
from tickets.models import Draft, DraftState, Ticket


@pytest.fixture
def swept(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = []
    monkeypatch.setattr(tasks.write_draft, "delay", lambda tenant_id, draft_id: found.append(draft_id))
    return found


def change(cast: Cast, **fields: Any) -> Draft:
    with tenant_scope(cast.acme.pk):
        Draft.objects.update(**fields)
        draft: Draft = Draft.objects.get()
    return draft


def ago(seconds: float) -> Any:
    return timezone.now() - timedelta(seconds=seconds)


def test_a_draft_is_queued_once_its_ticket_is_committed(cast: Cast, queued: list[str]) -> None:
    with tenant_scope(cast.acme.pk):
        actions.open_ticket(actor=cast.actor("alice"), subject="", text="Where is my lamp?")
        assert queued == []
        draft = Draft.objects.get()
    assert queued == [str(draft.pk)]


@pytest.mark.threat("R2")
def test_a_ticket_is_kept_when_the_queue_is_down(cast: Cast, monkeypatch: pytest.MonkeyPatch, swept: list[str]) -> None:
    def down(tenant_id: int, draft_id: str) -> None:
        raise ConnectionError("no broker")

    monkeypatch.setattr(actions, "_enqueue", down)
    with tenant_scope(cast.acme.pk):
        actions.open_ticket(actor=cast.actor("alice"), subject="", text="Where is my lamp?")
    draft = change(cast, created_at=ago(60))
    tasks.sweep()
    assert swept == [str(draft.pk)]


@pytest.mark.threat("R3")
def test_a_task_that_comes_twice_writes_one_draft(cast: Cast, ticket: Ticket, learn: Callable[..., None]) -> None:
    learn(RETURNS)
    draft = change(cast, attempts=0)
    assert tasks.write_draft(cast.acme.pk, str(draft.pk)) == DraftState.READY
    assert tasks.write_draft(cast.acme.pk, str(draft.pk)) == "skipped"
    assert change(cast, lease_until=None).attempts == 1


@pytest.mark.threat("T1")
def test_a_task_with_anothers_tenant_or_a_suspended_one_does_nothing(cast: Cast, ticket: Ticket) -> None:
    draft = change(cast, attempts=0)
    assert tasks.write_draft(cast.mallory_co.pk, str(draft.pk)) == "skipped"
    cast.acme.suspended_at = timezone.now()
    cast.acme.save()
    assert tasks.write_draft(cast.acme.pk, str(draft.pk)) == "skipped"


def test_the_sweep_leaves_what_is_fresh_or_held_or_done(cast: Cast, ticket: Ticket, swept: list[str]) -> None:
    change(cast, created_at=ago(1))
    tasks.sweep()
    change(cast, created_at=ago(60), state=DraftState.WRITING, lease_until=ago(-60))
    tasks.sweep()
    change(cast, state=DraftState.READY, lease_until=None)
    tasks.sweep()
    assert swept == []


@pytest.mark.threat("R3")
def test_the_sweep_finds_a_draft_whose_writer_died(cast: Cast, ticket: Ticket, swept: list[str]) -> None:
    draft = change(cast, state=DraftState.WRITING, lease_until=ago(1))
    tasks.sweep()
    assert swept == [str(draft.pk)]


def test_an_answer_whose_process_died_is_ended_and_a_younger_one_is_not(cast: Cast) -> None:
    with tenant_scope(cast.acme.pk):
        chat = Conversation.objects.create(tenant=cast.acme, user=cast.alice, title="Chat")
        for number in (1, 2):
            Message.objects.create(
                tenant=cast.acme, conversation=chat, number=number, role="assistant", status=Status.STREAMING
            )
        Message.objects.filter(number=1).update(created_at=ago(1000))
    assert assistant.tasks.sweep() == 1
    with tenant_scope(cast.acme.pk):
        old, young = Message.objects.order_by("number")
    assert (old.status, old.final["reason"]) == (Status.FAILED, "interrupted")
    assert young.status == Status.STREAMING
