"""Articles by API: a program sends them, asks how far they are, and takes them out again."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated, Any, Literal

from django.http import Http404, HttpRequest
from ninja import Field, Header, Path, Query, Router, Schema

from accounts.api_auth import actor_of, scoped
from knowledge import pushing
from knowledge.indexing import Incoming
from knowledge.models import Document, Visibility

router = Router(tags=["knowledge"])
# Spelt out: the description has one place for what is called State, and tickets have theirs there.
Stage = Literal["pending", "indexing", "indexed", "failed"]
WITHOUT_NUL = r"^[^\x00]*$"
Key = Annotated[str, Header(alias="Idempotency-Key", max_length=200, pattern=r"^[\x21-\x7e]*$")]


class Article(Schema):
    """`external_id` is the article's identity at its source: sending it again replaces the article. `name`
    says the kind of text by its ending (.md, .html, .txt) where the text does not."""

    external_id: str = Field(min_length=1, max_length=500, pattern=WITHOUT_NUL)
    text: str = Field(min_length=1)
    name: str = Field(default="", max_length=200, pattern=WITHOUT_NUL)
    title: str = Field(default="", max_length=500, pattern=WITHOUT_NUL)
    url: str = Field(default="", max_length=1000, pattern=r"^(https?://[^\s\x00]+)?$")
    visibility: Visibility = Visibility.PUBLIC


class Articles(Schema):
    """Up to 100 at once, all into the source of this name."""

    documents: list[Article] = Field(min_length=1, max_length=100)
    source: str = Field(default="API", min_length=1, max_length=200, pattern=WITHOUT_NUL)


class DocumentShape(Schema):
    """`code` and `hint` say why it failed, and what to do."""

    id: str
    external_id: str
    source: str
    title: str
    url: str
    visibility: Visibility
    state: Stage
    code: str
    hint: str
    updated_at: datetime


class PushedShape(Schema):
    """`changed` is false where the article was the same as before."""

    id: str
    external_id: str
    state: Stage
    changed: bool


class PushedShapes(Schema):
    items: list[PushedShape]


class DocumentsShape(Schema):
    """`total` counts all that match, `items` are those of the page asked for."""

    total: int
    items: list[DocumentShape]


class WantedDocuments(Schema):
    source: str = Field(default="", max_length=200, pattern=WITHOUT_NUL)
    external_id: str = Field(default="", max_length=500, pattern=WITHOUT_NUL)
    state: Stage | None = None
    limit: int = Field(default=50, ge=1, le=100)
    offset: int = Field(default=0, ge=0, le=1_000_000)


@router.post("/knowledge/documents", summary="Send articles", response=PushedShapes)
@scoped("knowledge")
def push(request: HttpRequest, tenant: Path[str], body: Articles, key: Key = "") -> dict[str, Any]:
    """With an `Idempotency-Key` the same request may be sent again: it has one effect, and gets the answer of
    the first."""
    actor = actor_of(request)
    pushing.check_staff(actor)

    def act() -> dict[str, Any]:
        pushed = pushing.push(actor, body.source, [_incoming(each) for each in body.documents])
        return {"items": [_pushed(each) for each in pushed]}

    answer: dict[str, Any] = pushing.once(actor, key, body.model_dump(mode="json"), act)
    return answer


@router.get("/knowledge/documents", summary="Articles and how far they are", response=DocumentsShape)
@scoped("knowledge")
def documents(request: HttpRequest, tenant: Path[str], wanted: Query[WantedDocuments]) -> dict[str, Any]:
    pushing.check_staff(actor_of(request))
    found = Document.objects.select_related("source").order_by("-updated_at", "pk")
    if wanted.source:
        found = found.filter(source__name=wanted.source)
    if wanted.external_id:
        found = found.filter(external_id=wanted.external_id)
    if wanted.state is not None:
        found = found.filter(state=wanted.state)
    shown = found[wanted.offset : wanted.offset + wanted.limit]
    return {"total": found.count(), "items": [_shape(each) for each in shown]}


@router.get("/knowledge/documents/{document_id}", summary="One article and how far it is", response=DocumentShape)
@scoped("knowledge")
def document(request: HttpRequest, tenant: Path[str], document_id: Path[uuid.UUID]) -> dict[str, Any]:
    pushing.check_staff(actor_of(request))
    return _shape(_document(document_id))


@router.delete("/knowledge/documents/{document_id}", summary="Take an article out of search", response=DocumentShape)
@scoped("knowledge")
def withdraw(request: HttpRequest, tenant: Path[str], document_id: Path[uuid.UUID]) -> dict[str, Any]:
    """Its versions stay, because old answers cite them. Sending it again brings it back."""
    actor = actor_of(request)
    pushing.check_staff(actor)
    found = _document(document_id)
    pushing.withdraw(actor, found)
    return _shape(found)


def _incoming(article: Article) -> Incoming:
    data = article.text.encode("utf-8", "replace")
    name = article.name or f"{article.external_id[:190]}.md"
    return Incoming(article.external_id, name, data, article.title, article.url, article.visibility)


def _document(document_id: uuid.UUID) -> Document:
    found: Document | None = Document.objects.select_related("source").filter(pk=document_id).first()
    if found is None:
        raise Http404
    return found


def _pushed(pushed: pushing.Pushed) -> dict[str, Any]:
    document = pushed.document
    about = {"id": str(document.pk), "external_id": document.external_id, "state": str(document.state)}
    return {**about, "changed": pushed.changed}


def _shape(document: Document) -> dict[str, Any]:
    return {
        "id": str(document.pk),
        "external_id": document.external_id,
        "source": document.source.name,
        "title": document.title,
        "url": document.url,
        "visibility": document.visibility,
        "state": document.state,
        "code": document.error_code,
        "hint": document.error_hint,
        "updated_at": document.updated_at,
    }
