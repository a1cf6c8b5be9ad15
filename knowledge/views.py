"""The page where staff hand in files: a plain form, which upload.js enlivens."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from accounts.models import Tenant
from accounts.pages import agent_page
from accounts.permissions import Actor
from knowledge import uploads
from knowledge.indexing import MAX_BYTES
from knowledge.models import State, Visibility

SHOWN = 50


@require_http_methods(["GET", "POST"])
@agent_page
def upload(request: HttpRequest, actor: Actor) -> HttpResponse:
    """A POST takes `files`; a script that says `Accept: application/json` gets what became of each."""
    by_script = "application/json" in request.headers.get("Accept", "")
    if request.method == "GET":
        return _page(request, actor)
    chosen = request.POST.get("visibility", "")
    visibility = Visibility(chosen) if chosen in Visibility.values else Visibility.INTERNAL
    handed_in = [
        uploads.hand_in(actor.tenant_id, file.name or "", file.read(MAX_BYTES + 1), visibility=visibility)
        for file in request.FILES.getlist("files")
    ]
    if by_script:
        return JsonResponse({"files": [each.as_json() for each in handed_in]}, status=200 if handed_in else 422)
    if not handed_in:
        messages.error(request, _("Choose at least one file."))
    for refused in [each for each in handed_in if not each.document]:
        messages.error(request, f"{refused.name}: {refused.hint} ({refused.code})")
    taken = sum(bool(each.document) for each in handed_in)
    if taken:
        said = ngettext("%d file was taken and is being read.", "%d files were taken and are being read.", taken)
        messages.success(request, said % taken)
    return redirect("knowledge:upload", actor.tenant_slug)


def _page(request: HttpRequest, actor: Actor) -> HttpResponse:
    files = uploads.latest(SHOWN)
    context = {
        "tenant": Tenant.objects.get(pk=actor.tenant_id),
        "actor": actor,
        "place": "upload",
        "files": files,
        "unfinished": any(not each.finished for each in files),
        "visibilities": VISIBILITIES,
        "chosen": Visibility.PUBLIC,
        "max_megabytes": MAX_BYTES // 1_000_000,
        "together": settings.DATA_UPLOAD_MAX_NUMBER_FILES,
        "words": _words(),
        "failed": State.FAILED,
    }
    return render(request, "knowledge/upload.html", context)


VISIBILITIES = [
    (Visibility.PUBLIC, lambda: _("Everybody")),
    (Visibility.SIGNED_IN, lambda: _("Customers who are signed in")),
    (Visibility.INTERNAL, lambda: _("Agents and admins alone")),
]


def _words() -> dict[str, str]:
    """What upload.js says, in the reader's language."""
    return {
        "sending": _("Sending"),
        "waiting_to_send": _("Waiting to be sent"),
        "not_sent": _("Not sent. Check the connection and hand it in again."),
        "too_large": _("Larger than %(n)s MB. Split it and hand in the parts.") % {"n": MAX_BYTES // 1_000_000},
        "signed_out": _("You have been signed out. Reload the page to sign in again."),
        "reconnecting": _("Connection lost. What was sent is kept; reconnecting."),
        "done_one": _("1 file is finished."),
        "done_many": _("%(n)s files are finished."),
    }
