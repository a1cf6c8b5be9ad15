"""The picture of a page, for whom may read its document."""

from __future__ import annotations

import uuid

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from accounts.pages import signed_in
from accounts.permissions import Actor
from accounts.tenancy import tenant_scope
from knowledge import versions
from knowledge.errors import KnowledgeError
from knowledge.pages import drawing

_KEEP = {"Cache-Control": "private, max-age=3600", "Vary": "Cookie"}


@require_safe
@signed_in
def page(request: HttpRequest, actor: Actor, document_id: uuid.UUID, number: int) -> HttpResponse:
    """404 for a page that is not there or cannot be drawn, and for a version whose file is no longer kept."""
    with tenant_scope(actor.tenant_id):
        version = versions.version_of(versions.readable(actor, document_id), request.GET.get("version", ""))
    wanted = versions.number(request.GET.get("width"))
    width = next((each for each in drawing.WIDTHS if each >= wanted), drawing.WIDTHS[-1])
    if version.original_id is None:
        raise Http404
    try:
        image = drawing.picture(actor.tenant_id, version.original_id, number, width)
    except KnowledgeError as error:
        raise Http404 from error
    return HttpResponse(image, content_type="image/webp", headers=_KEEP)
