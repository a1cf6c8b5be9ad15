"""The one page of the gateway beside its admin: running an audited call again.

It stands outside of `/admin/`, where a request is one transaction: none is held across a call to a model.
"""

from __future__ import annotations

from uuid import UUID

from django.contrib import admin, messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts.permissions import administered_tenants
from accounts.tenancy import tenant_scope
from gateway.audit import replay
from gateway.audit.replay import NotReplayable
from gateway.errors import GatewayError
from gateway.types import Call


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def replay_record(request: HttpRequest, audit_id: UUID) -> HttpResponse:
    """Asks once, naming the models and the most that each can cost; then runs, and shows the record
    of the replay beside the original. For admins of the record's tenant; to others it is not there."""
    tenants = administered_tenants(request.user)  # type: ignore[arg-type]
    call, reason = None, ""
    try:
        call = replay.frozen(tenants, audit_id)
    except NotReplayable as error:
        reason = error.reason
    if call is None and not reason:
        raise Http404
    if request.method == "POST" and call is not None:
        return _run(request, call)
    with tenant_scope(*tenants):
        context = {
            **admin.site.each_context(request),
            "title": _("Run again"),
            "audit_id": audit_id,
            "reason": reason,
            "choices": replay.choices(call) if call else [],
        }
        return render(request, "admin/gateway/auditrecord/replay.html", context, status=409 if reason else 200)


def _run(request: HttpRequest, call: Call) -> HttpResponse:
    model = request.POST.get("model", "")
    if model not in {choice.model for choice in replay.choices(call)}:
        raise Http404
    call = replay.on(call, model)
    try:
        replay.run(call, by=request.user.pk)
    except GatewayError as error:
        messages.error(request, _("The replay failed: %(code)s") % {"code": error.code})
    return redirect("admin:gateway_auditrecord_change", call.id)
