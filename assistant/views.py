"""The portal: pages of a tenant's members, rendered on the server and enlivened by portal.js."""

from __future__ import annotations

import uuid
from typing import Any

from asgiref.sync import async_to_sync
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.adapter import signup_tenant
from accounts.models import Membership, Tenant, User
from accounts.pages import member_page, signed_in
from accounts.permissions import Actor, actor_for
from accounts.tenancy import identity_scope
from assistant.errors import AssistantError
from assistant.feedback import rate
from assistant.models import Conversation, Feedback, Message
from assistant.pipeline.answer import Ask, answer
from assistant.presenting import DOUBT, DOUBTS, REASONS, failures, turns
from assistant.signals import person_requested
from assistant.theming import stylesheet
from knowledge.models import Document

HISTORY_LENGTH = 50
EXAMPLES = 4


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """To the one place where the visitor belongs, or to a choice of them."""
    user = request.user
    if not isinstance(user, User):
        return redirect("account_login")
    with identity_scope(user.pk):
        own = Membership._base_manager.filter(user_id=user.pk, tenant__suspended_at=None).select_related("tenant")
        tenants = [membership.tenant for membership in own.order_by("tenant__name")]
    if len(tenants) == 1:
        return redirect("portal:ask", tenants[0].slug)
    if not tenants and user.is_superuser:
        return redirect("admin:index")
    return render(request, "portal/home.html", {"tenants": tenants})


@require_safe
def theme(request: HttpRequest, tenant: str) -> HttpResponse:
    """The tenant's colour as a stylesheet: for its members, and for those who come to sign up."""
    visiting = signup_tenant(request)
    if visiting is None or visiting.slug != tenant:
        actor = actor_for(request.user, tenant) if isinstance(request.user, User) else None
        if actor is None:
            raise Http404
    accent = Tenant.objects.values_list("accent", flat=True).get(slug=tenant)
    return HttpResponse(
        stylesheet(accent), content_type="text/css; charset=utf-8", headers={"Cache-Control": "private, max-age=300"}
    )


@require_safe
@member_page
def ask_page(request: HttpRequest, actor: Actor) -> HttpResponse:
    return render(request, "portal/ask.html", _portal_context(actor))


@require_safe
@member_page
def conversation_page(request: HttpRequest, actor: Actor, conversation_id: uuid.UUID) -> HttpResponse:
    conversation = _own(actor, conversation_id)
    own = Feedback.objects.filter(message__conversation=conversation, user_id=actor.user_id)
    thumbs = dict(own.values_list("message_id", "value"))
    thread = turns(conversation.messages.order_by("number"), actor.tenant_slug, thumbs)
    return render(request, "portal/ask.html", _portal_context(actor, conversation) | {"turns": thread})


@require_POST
@signed_in
def ask_plainly(request: HttpRequest, actor: Actor) -> HttpResponse:
    """The question of a browser without script: waits for the whole answer, then shows it."""
    asked = Ask(
        request.POST.get("example") or request.POST.get("question", ""), actor, request.POST.get("conversation") or None
    )
    try:
        conversation = async_to_sync(_conclude)(asked)
    except AssistantError as error:
        messages.error(request, failures().get(error.code, error.detail))
        return redirect("portal:ask", actor.tenant_slug)
    return redirect("portal:conversation", actor.tenant_slug, conversation)


async def _conclude(asked: Ask) -> str:
    conversation = ""
    async for event in answer(asked):
        conversation = getattr(event, "conversation", "") or conversation
    return conversation


@require_POST
@member_page
def person_for_conversation(request: HttpRequest, actor: Actor, conversation_id: uuid.UUID) -> HttpResponse:
    return _call_person(request, actor, _own(actor, conversation_id))


@require_http_methods(["GET", "HEAD", "POST"])
@member_page
def person(request: HttpRequest, actor: Actor) -> HttpResponse:
    """A message to a person without asking the assistant first."""
    note = _typed(request, "note", 4000)
    if request.method == "POST" and note:
        conversation = Conversation.objects.create(tenant_id=actor.tenant_id, user_id=actor.user_id, title=note[:200])
        Message.objects.create(tenant_id=actor.tenant_id, conversation=conversation, number=1, role="user", text=note)
        return _call_person(request, actor, conversation)
    context = _portal_context(actor) | {"missing": request.method == "POST"}
    return render(request, "portal/person.html", context, status=422 if request.method == "POST" else 200)


@require_POST
@member_page
def feedback(request: HttpRequest, actor: Actor, message_id: uuid.UUID) -> HttpResponse:
    """One thumb for each reader and answer; the last one counts. Script gets 204, a form its page."""
    message = Message.objects.filter(pk=message_id, role="assistant", conversation__user_id=actor.user_id).first()
    if message is None:
        raise Http404
    value = request.POST.get("value", "")
    if value not in ("up", "down"):
        return HttpResponse(status=422)
    known = {code for code, _label in REASONS}
    reasons = [reason for reason in request.POST.getlist("reasons") if reason in known]
    rate(message, user_id=actor.user_id, value=value, reasons=reasons, comment=_typed(request, "comment", 2000))
    if request.headers.get("X-Requested-With") == "fetch":
        return HttpResponse(status=204)
    messages.success(request, _("Thank you. Your feedback is saved."))
    return redirect("portal:conversation", actor.tenant_slug, message.conversation_id)


def _typed(request: HttpRequest, name: str, limit: int) -> str:
    """What was typed into a field, without NUL, which PostgreSQL cannot keep."""
    return request.POST.get(name, "").replace("\x00", "").strip()[:limit]


def _own(actor: Actor, conversation_id: uuid.UUID) -> Conversation:
    conversation: Conversation | None = Conversation.objects.filter(pk=conversation_id, user_id=actor.user_id).first()
    if conversation is None:
        raise Http404
    return conversation


def _call_person(request: HttpRequest, actor: Actor, conversation: Conversation) -> HttpResponseRedirect:
    person_requested.send(Conversation, conversation=conversation, actor=actor, note=_typed(request, "note", 4000))
    messages.success(request, _("A person will answer you, and has everything said so far. You can go on asking."))
    return redirect("portal:conversation", actor.tenant_slug, conversation.pk)


def _examples(actor: Actor, tenant: Tenant) -> list[str]:
    """The tenant's own, or titles of public articles, spread over the help centre; those that ask
    come first. None without articles: nothing could be answered."""
    readable = Document.objects.visible_to(actor).exclude(current_version=None).exclude(visibility="internal")
    titles = list(readable.order_by("external_id").values_list("title", flat=True)[:2000])
    own = [line.strip() for line in tenant.example_questions.splitlines() if line.strip()]
    if own and titles:
        return own[:EXAMPLES]
    asking = [title for title in titles if title.rstrip().endswith("?")]
    chosen = asking if len(asking) >= EXAMPLES else titles
    step = max(1, len(chosen) // EXAMPLES)
    return chosen[step // 2 :: step][:EXAMPLES]


def _portal_context(actor: Actor, conversation: Conversation | None = None) -> dict[str, Any]:
    own = Conversation.objects.filter(user_id=actor.user_id)
    tenant = Tenant.objects.get(pk=actor.tenant_id)
    return {
        "tenant": tenant,
        "actor": actor,
        "conversation": conversation,
        "history": list(own[:HISTORY_LENGTH]),
        "example_questions": [] if conversation else _examples(actor, tenant),
        "reasons": REASONS,
        "words": _words(),
    }


def _words() -> dict[str, Any]:
    """What portal.js says, in the reader's language."""
    return {
        "searching": _("Searching the help centre"),
        "reading_one": _("Reading 1 article"),
        "reading_many": _("Reading %(n)s articles"),
        "writing": _("Writing the answer"),
        "restarting": _("The first attempt broke off. Starting again"),
        "checking": _("Checking each sentence against the articles"),
        "offline": _("You are offline. Your question is kept; the answer goes on when the connection is back."),
        "reconnecting": _("Connection lost. Reconnecting"),
        "signed_out": _("You have been signed out. Reload the page to sign in again."),
        "copied": _("Copied"),
        "copy_failed": _("Copying is not allowed here"),
        "thanks": _("Thank you. Your feedback is saved."),
        "not_saved": _("That could not be saved. Try again."),
        "article_failed": _("The article could not be loaded. The link opens it in a page of its own."),
        "source": _("Source %(n)s"),
        "outdated": _("Outdated article"),
        "doubt": str(DOUBT),
        "doubts": {code: str(text) for code, text in DOUBTS.items()},
        "failures": failures(),
        "failed": _("No answer could be written just now. Your question is saved; try again, or ask a person."),
    }
