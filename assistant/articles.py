"""The page of an article: at the words that a citation quotes, on the page of the PDF where it has one."""

from __future__ import annotations

import uuid
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_safe

from accounts.models import Tenant
from accounts.pages import signed_in
from accounts.permissions import Actor
from accounts.tenancy import tenant_scope
from knowledge import versions
from knowledge.models import Document, DocumentVersion
from knowledge.pages.showing import View, show
from knowledge.reading import article_html
from knowledge.standing import successor


@require_safe
@signed_in
def article(request: HttpRequest, actor: Actor, document_id: uuid.UUID) -> HttpResponse:
    """The article at the quote; `fragment=1` gives its body alone, for the pane beside the answer. A PDF is
    shown as its page, unless `view=text` or the quote cannot be placed on it."""
    with tenant_scope(actor.tenant_id):
        document = versions.readable(actor, document_id)
        version = versions.version_of(document, request.GET.get("version", ""))
        context = _context(actor, document, version)
    given = {name: versions.number(request.GET.get(name)) for name in ("start", "end", "page", "zoom")}
    view = View(given["start"], given["end"], given["page"], given["zoom"] or View.zoom)
    has_pages, by_text = version.original_id is not None, request.GET.get("view") == "text"
    sheet = show(actor.tenant_slug, version, view) if has_pages and not by_text else None
    place: dict[str, str | int] = {"version": str(version.pk), "start": view.start, "end": view.end}
    here = f"{reverse('portal:article', args=[actor.tenant_slug, document.pk])}?{urlencode(place)}"
    context |= {
        "has_pages": has_pages,
        "sheet": sheet,
        "unplaced": has_pages and not by_text and (sheet is None or (view.quotes and not sheet.quote_page)),
        "here": here,
        "text_href": f"{here}&view=text#quote",
        "fragment": bool(request.GET.get("fragment")),
        "body": "" if sheet else article_html(version.text, version.blocks, view.start, view.end),
        "quoted": version.text[view.start : view.end],
    }
    return render(request, "portal/_article.html" if context["fragment"] else "portal/article.html", context)


def _context(actor: Actor, document: Document, version: DocumentVersion) -> dict[str, Any]:
    return {
        "tenant": Tenant.objects.get(pk=actor.tenant_id),
        "actor": actor,
        "document": document,
        "version": version,
        "changed": version.pk != document.current_version_id,
        "successor": successor(document, actor),
        "safe_url": document.url if document.url.startswith(("https://", "http://")) else "",
    }
