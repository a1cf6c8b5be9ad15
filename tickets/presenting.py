"""Tickets, messages and drafts as the templates show them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from accounts.models import Role
from accounts.permissions import Actor
from assistant.presenting import ShownSentence, SourceCard, cited_text, nearest, paragraphs, source_cards
from tickets.actions import OPEN_DRAFTS
from tickets.models import Draft, DraftState, Kind, State, Ticket, TicketMessage, UnsentReply

STATES: dict[str, Promise] = {
    State.OPEN: gettext_lazy("Open"),
    State.PENDING: gettext_lazy("Pending"),
    State.SOLVED: gettext_lazy("Solved"),
    State.CLOSED: gettext_lazy("Closed"),
}
STATES_FOR_CUSTOMERS: dict[str, Promise] = {
    State.OPEN: gettext_lazy("Waits for our answer"),
    State.PENDING: gettext_lazy("Waits for you"),
    State.SOLVED: gettext_lazy("Solved"),
    State.CLOSED: gettext_lazy("Closed"),
}


@dataclass(frozen=True)
class Entry:
    """One message of a ticket. `event` is the sentence of a change; `undo` the seconds for which
    its sender can still take it back; `first_new` that it begins what the reader has not seen."""

    number: int
    kind: str
    who: str
    at: datetime
    paragraphs: list[list[ShownSentence]]
    sources: list[SourceCard]
    message: TicketMessage
    event: str = ""
    undo: float = 0
    first_new: bool = False


@dataclass(frozen=True)
class ShownDraft:
    draft: Draft | None
    state: str  # of DraftState, or "none"
    sentences: list[ShownSentence]
    sources: list[SourceCard]
    nearest: list[dict[str, str]]
    doubtful: int

    @property
    def degraded(self) -> bool:
        """Whether no language model could be reached for it."""
        return self.draft is not None and bool(self.draft.answer.get("degraded"))

    @property
    def key(self) -> str:
        """Changes whenever there is something new to show."""
        return f"{self.draft.pk}:{self.state}" if self.draft is not None else self.state


@dataclass(frozen=True)
class Box:
    """What the reply box holds. `draft` is the one its text was made from; `newer` has come since."""

    text: str
    draft: ShownDraft
    newer: ShownDraft | None
    kept: UnsentReply | None

    @property
    def draft_is_elsewhere(self) -> bool:
        """A draft is ready, and the box holds something else."""
        ready = self.newer or self.draft
        return ready.draft is not None and ready.state == DraftState.READY and ready.draft.text != self.text


def entries(messages: Iterable[TicketMessage], actor: Actor, *, seen: int = 0) -> list[Entry]:
    """In order; `seen` is the last message that the reader had seen, 0 when this is the first look."""
    shown: list[Entry] = []
    marked = False
    for message in messages:
        new = bool(seen) and message.number > seen and message.author_id != actor.user_id
        shown.append(_entry(message, actor, first_new=new and not marked))
        marked = marked or new
    return shown


def released(ticket: Ticket, actor: Actor) -> QuerySet[TicketMessage]:
    """What the requester sees, also when they are an agent: here they are a customer."""
    customer = replace(actor, role=Role.CUSTOMER)
    seen: QuerySet[TicketMessage] = TicketMessage.objects.visible_to(customer).filter(ticket=ticket)
    return seen.select_related("author")


def current_draft(ticket: Ticket, slug: str) -> ShownDraft:
    found = Draft.objects.filter(ticket=ticket, state__in=OPEN_DRAFTS).order_by("-created_at").first()
    return shown_draft(found, slug)


def shown_draft(draft: Draft | None, slug: str) -> ShownDraft:
    if draft is None:
        return ShownDraft(None, "none", [], [], [], 0)
    sentences = [sentence for paragraph in paragraphs(draft.answer, slug) for sentence in paragraph]
    return ShownDraft(
        draft=draft,
        state=draft.state,
        sentences=sentences,
        sources=source_cards(draft.answer.get("citations") or [], slug),
        nearest=nearest(draft.answer, slug) if draft.state == DraftState.EMPTY else [],
        doubtful=sum(1 for sentence in sentences if sentence.why),
    )


def box(ticket: Ticket, actor: Actor) -> Box:
    """The agent's own half-written reply, or else the draft that is ready.

    An emptied box stays empty until another draft comes.
    """
    current = current_draft(ticket, actor.tenant_slug)
    ready = current.draft if current.state == DraftState.READY else None
    kept = UnsentReply.objects.filter(ticket=ticket, user_id=actor.user_id).select_related("draft").first()
    own = kept is not None and (kept.text.strip() or (kept.draft is not None and kept.draft == current.draft))
    if kept is None or not own:
        return Box(ready.text if ready is not None else "", current, None, None)
    if kept.draft is None or kept.draft == current.draft:
        return Box(kept.text, current, None, kept)
    base = shown_draft(kept.draft, actor.tenant_slug)
    return Box(kept.text, base, current if current.draft is not None else None, kept)


def words() -> dict[str, Any]:
    """What the desk's scripts say, in the reader's language."""
    return {
        "article_failed": _("The article could not be loaded. The link opens it in a page of its own."),
        "kept": _("Saved"),
        "keeping": _("Saving"),
        "not_kept": _("Not saved: no connection. Your text stays here."),
        "undo": _("Undo (%(n)s)"),
        "released": _("The customer has this reply now."),
        "sent": _("Sent. It can be undone for a few seconds."),
        "searching": _("Searching the articles"),
        "reading_one": _("Reading 1 article"),
        "reading_many": _("Reading %(n)s articles"),
        "writing": _("Writing the draft"),
        "restarting": _("The first attempt broke off. Starting again"),
        "draft_ready": _("A new draft is ready."),
        "draft_done": _("The new draft is in the box."),
        "draft_empty": _("The articles do not seem to answer this."),
        "draft_failed": _("No draft could be written just now. Your text is untouched."),
        "stopped": _("Stopped. Your text is untouched."),
        "customer_wrote": _("The customer wrote while this page was open."),
        "customer_wrote_typing": _("The customer wrote while you were typing. Read it before you send."),
        "changed": _("This ticket has changed."),
        "replaced": _("The draft is in the box. Undo with Ctrl+Z."),
    }


def _entry(message: TicketMessage, actor: Actor, *, first_new: bool) -> Entry:
    left = (message.released_at - timezone.now()).total_seconds()
    own = message.kind == Kind.AGENT and message.author_id == actor.user_id
    return Entry(
        number=message.number,
        kind=message.kind,
        who=_who(message),
        at=message.created_at,
        paragraphs=cited_text(message.text, message.citations, actor.tenant_slug),
        sources=source_cards(message.citations, actor.tenant_slug),
        message=message,
        event=_event(message) if message.kind == Kind.SYSTEM else "",
        undo=round(max(left, 0), 1) if own else 0,
        first_new=first_new,
    )


def _who(message: TicketMessage) -> str:
    if message.kind == Kind.ASSISTANT:
        return _("Assistant")
    return str(message.author) if message.author is not None else _("Somebody who has left")


def _event(message: TicketMessage) -> str:
    """`assigned:<name>`, `assigned:` or `state:<state>` as a sentence."""
    kind, _colon, value = message.text.partition(":")
    who = _who(message)
    if kind == "assigned" and not value:
        return _("%(who)s took the ticket from its agent") % {"who": who}
    if kind == "assigned" and value == who:
        return _("%(who)s took the ticket") % {"who": who}
    if kind == "assigned":
        return _("%(who)s gave the ticket to %(name)s") % {"who": who, "name": value}
    if kind == "state" and value in STATES:
        return _("%(who)s set it to %(state)s") % {"who": who, "state": str(STATES[value]).lower()}
    return message.text


def found_in_words(total: int) -> str:
    return ngettext("%(n)s ticket", "%(n)s tickets", total) % {"n": total}
