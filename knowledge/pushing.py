"""Articles that a program sends: taken in, taken out, and once for each Idempotency-Key (R10)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts.models import Role
from accounts.permissions import Actor
from knowledge import indexing
from knowledge.indexing import Incoming
from knowledge.models import Document, IdempotentCall, Kind, Source

KEPT = timedelta(days=1)  # how long a key is known


class PushError(Exception):
    """Base of what may be wrong with a call; `detail` is for who made it."""

    code = "push_failed"
    detail = ""


class StaffOnly(PushError):
    code = "staff_only"
    detail = "Articles are for agents and admins, and for API keys of theirs, to change."


class KeyReused(PushError):
    code = "key_reused"
    detail = "This Idempotency-Key came with another request before. Make a new one for each request."


class NotAnApiSource(PushError):
    code = "not_an_api_source"
    detail = "A source of this name is filled in another way. Name another one."


@dataclass(frozen=True)
class Pushed:
    """What became of one article: `changed` is False where it was the same as before."""

    document: Document
    changed: bool


def check_staff(actor: Actor) -> None:
    if not actor.at_least(Role.AGENT):
        raise StaffOnly


def once(actor: Actor, key: str, request: Any, act: Callable[[], Any]) -> Any:
    """What `act` returns, which JSON can hold; for a key that is known, what it returned then. Two calls at
    once with one key: the second waits for the first. Call within `tenant_scope`."""
    if not key:
        return act()
    digest = hashlib.sha256(json.dumps(request, sort_keys=True, default=str).encode()).hexdigest()
    whose = {"tenant_id": actor.tenant_id, "caller": actor.api_key_id or str(actor.user_id), "key": key}
    call, fresh = IdempotentCall.objects.get_or_create(**whose, defaults={"digest": digest})
    if call.digest != digest:
        raise KeyReused
    if fresh:
        call.response = act()
        call.save(update_fields=["response"])
    return call.response


def push(actor: Actor, source_name: str, articles: Sequence[Incoming]) -> list[Pushed]:
    """Takes the articles in; all or, where one raises, none. They wait to be indexed."""
    check_staff(actor)
    source, _made = Source.objects.get_or_create(
        tenant_id=actor.tenant_id, name=source_name, defaults={"kind": Kind.API, "interval": 0}
    )
    if source.kind != Kind.API:
        raise NotAnApiSource
    return [_take_in(source, article) for article in articles]


def withdraw(actor: Actor, document: Document) -> None:
    """Takes an article out of search; its versions stay. May be done twice."""
    check_staff(actor)
    if document.error_code != "source_gone":
        indexing.remove(document)


def forget_keys() -> None:
    """Of the current tenants, those that are past their time."""
    IdempotentCall.objects.filter(created_at__lt=timezone.now() - KEPT).delete()


def _take_in(source: Source, article: Incoming) -> Pushed:
    document = indexing.accept(source, article)
    if document is None:
        return Pushed(Document.objects.get(source=source, external_id=article.external_id), False)
    transaction.on_commit(lambda: _enqueue(source.tenant_id, str(document.pk)), robust=True)
    return Pushed(document, True)


def _enqueue(tenant_id: int, document_id: str) -> None:
    from knowledge.tasks import index

    index.apply_async((tenant_id, document_id), retry=False)
