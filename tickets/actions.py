"""Every change of a ticket, by name. Views, API, receivers, admin and tasks all call these.

Each is called within `tenant_scope`, checks what the actor may do, changes only the fields it
means to, and enqueues what follows after commit. Raises `TicketError`.
"""

from __future__ import annotations

from uuid import UUID, uuid4

from django.db import transaction
from django.db.models import Max
from django.utils import timezone
from django.utils.translation import gettext_noop
from rapidfuzz.distance import Levenshtein

from accounts.models import Membership, Role
from accounts.permissions import Actor
from assistant.models import Conversation
from tickets import thread
from tickets.errors import (
    CustomerWrote,
    EmptyMessage,
    IdTaken,
    MessageTooLong,
    NotAllowed,
    NotAnAgent,
    TooLate,
    WrongState,
)
from tickets.models import Draft, DraftState, Kind, Look, State, Ticket, TicketMessage, UnsentReply

MAX_TEXT = 20_000  # characters of one message
TOO_LONG = gettext_noop("A message has at most 20,000 characters.")
UNDO_SECONDS = 5
OPEN_DRAFTS = (DraftState.WAITING, DraftState.WRITING, DraftState.READY, DraftState.EMPTY, DraftState.FAILED)


def open_ticket(
    *, actor: Actor, subject: str, text: str, conversation: Conversation | None = None, ticket_id: UUID | None = None
) -> Ticket:
    """A new ticket of the actor's own, with a draft on its way.

    With a conversation it begins with what was said there, and `text` may be empty or repeat the
    last question: then nothing is added. `ticket_id` is made by the client, so that opening twice
    with the same one opens one; raises `IdTaken` when the second says something else.
    """
    said = _clean(text, may_be_empty=conversation is not None)
    number = thread.next_number(actor.tenant_id)
    title = " ".join(subject.replace("\x00", "").split())[:200] or " ".join(said.split())[:80]
    if ticket_id is not None and (known := thread.known(Ticket, ticket_id)) is not None:
        first = known.messages.order_by("number").first()
        if known.requester_id != actor.user_id or known.subject != title or first is None or first.text != said:
            raise IdTaken
        return known  # type: ignore[no-any-return]
    ticket: Ticket = thread.create(
        Ticket,
        id=ticket_id or uuid4(),
        tenant_id=actor.tenant_id,
        number=number,
        subject=title,
        requester_id=actor.user_id,
        conversation=conversation,
    )
    last = thread.bring_conversation(ticket, conversation) if conversation is not None else ""
    if said and said != last:
        _add(ticket, Kind.CUSTOMER, said, actor)
    elif not last:
        _add(ticket, Kind.CUSTOMER, title, actor)
    request_draft(ticket)
    return ticket


def ask_for_person(conversation: Conversation, *, actor: Actor, note: str) -> Ticket:
    """The ticket of a conversation: a new one with all that was said, or the open one, to which
    the note is added. Asking twice is asking once."""
    if conversation.user_id != actor.user_id:
        raise NotAllowed(gettext_noop("Only the customer whose conversation it is can ask for a person."))
    Conversation.objects.select_for_update().get(pk=conversation.pk)  # so that two clicks open one ticket
    ticket: Ticket | None = Ticket.objects.filter(conversation=conversation).exclude(state=State.CLOSED).first()
    if ticket is None:
        return open_ticket(actor=actor, subject=conversation.title, text=note, conversation=conversation)
    if note.strip():
        customer_writes(ticket, actor=actor, text=note)
    return ticket


def customer_writes(ticket: Ticket, *, actor: Actor, text: str, message_id: UUID | None = None) -> TicketMessage:
    """The requester adds to the ticket, which opens it again. Raises `WrongState` when closed.

    What an agent is typing stays as it is, with the draft that it was made from (`UnsentReply`); a
    new draft is made beside it, and `reply` refuses to send past this message unseen.
    """
    if ticket.requester_id != actor.user_id:
        raise NotAllowed(gettext_noop("Only the customer who opened this ticket can write here."))
    text = _clean(text)
    thread.lock(ticket)
    if (
        message_id is not None
        and (known := thread.sent_before(ticket, message_id, Kind.CUSTOMER, actor, text)) is not None
    ):
        return known
    if ticket.state == State.CLOSED:
        raise WrongState(gettext_noop("This ticket is closed. Open a new one."))
    message = _add(ticket, Kind.CUSTOMER, text, actor, message_id=message_id)
    thread.set_state(ticket, State.OPEN)
    request_draft(ticket)
    return message


def reply(
    ticket: Ticket,
    *,
    actor: Actor,
    text: str,
    draft: Draft | None = None,
    state: State = State.PENDING,
    seen: int | None = None,
    message_id: UUID | None = None,
) -> TicketMessage:
    """An agent sends `text` to the customer, who sees it after `UNDO_SECONDS`.

    `draft` is what it was made from, also when a newer one has taken its place since: its citations
    that are still in the text go along, and how far the text has moved from it is kept. `state` is
    the ticket's after it. `seen` is the last message that the agent had before them: raises
    `CustomerWrote` when the customer has written after it. `message_id` is made by the client:
    sending twice with the same one sends once, with another text raises `IdTaken`.
    """
    _agents_only(actor)
    text = _clean(text)
    thread.lock(ticket)
    if (
        message_id is not None
        and (known := thread.sent_before(ticket, message_id, Kind.AGENT, actor, text)) is not None
    ):
        if known.draft_id != (draft.pk if draft is not None else None):
            raise IdTaken
        return known
    if ticket.state == State.CLOSED:
        raise WrongState(gettext_noop("This ticket is closed."))
    if seen is not None and ticket.messages.filter(kind=Kind.CUSTOMER, number__gt=seen).exists():
        raise CustomerWrote
    if draft is not None:
        draft = thread.usable_draft(ticket, draft)
    message = _add(ticket, Kind.AGENT, text, actor, released_in=UNDO_SECONDS, message_id=message_id)
    if draft is not None:
        message.draft, message.distance = draft, round(Levenshtein.normalized_distance(draft.text, text), 4)
        message.citations = [c for c in draft.answer.get("citations", []) if f"[{c['marker']}]" in text]
        message.save(update_fields=["draft", "distance", "citations"])
        Draft.objects.filter(pk=draft.pk).update(state=DraftState.SENT)
    _discard_open_drafts(ticket)
    UnsentReply.objects.filter(ticket=ticket, user_id=actor.user_id).delete()
    if ticket.assignee_id is None:
        Ticket.objects.filter(pk=ticket.pk).update(assignee_id=actor.user_id)
        ticket.assignee_id = actor.user_id
    thread.set_state(ticket, state)
    return message


def take_back(message: TicketMessage, *, actor: Actor) -> UnsentReply:
    """Undoes a reply that the customer has not seen yet: its text is the agent's unsent reply
    again, and its draft is ready again, unless a newer one is on its way. Raises `TooLate`."""
    ticket = message.ticket
    thread.lock(ticket)
    found = TicketMessage.objects.filter(pk=message.pk, kind=Kind.AGENT).select_related("draft").first()
    if found is None or found.author_id != actor.user_id:
        raise NotAllowed(gettext_noop("Only the agent who sent a reply can take it back."))
    if found.released_at <= timezone.now():
        raise TooLate
    if found.draft is not None:
        newer = Draft.objects.filter(ticket=ticket, state__in=OPEN_DRAFTS).exists()
        found.draft.state = DraftState.DISCARDED if newer else DraftState.READY
        found.draft.save(update_fields=["state"])
    unsent = keep_unsent(ticket, actor=actor, text=found.text, draft=found.draft)
    thread.set_state(ticket, State.OPEN)
    found.delete()
    return unsent


def add_note(ticket: Ticket, *, actor: Actor, text: str, message_id: UUID | None = None) -> TicketMessage:
    """A note that only agents see."""
    _agents_only(actor)
    text = _clean(text)
    thread.lock(ticket)
    if (known := thread.sent_before(ticket, message_id, Kind.NOTE, actor, text)) is not None:
        return known
    return _add(ticket, Kind.NOTE, text, actor, message_id=message_id)


def assign(ticket: Ticket, *, actor: Actor, user_id: int | None) -> None:
    """To an agent or admin of the tenant, or to nobody. Raises `NotAnAgent`."""
    _agents_only(actor)
    thread.lock(ticket)
    if user_id == ticket.assignee_id:
        return
    name = ""
    if user_id is not None:
        member = Membership.objects.filter(user_id=user_id, role__in=[Role.AGENT, Role.ADMIN]).first()
        if member is None:
            raise NotAnAgent
        name = str(member.user)
    ticket.assignee_id = user_id
    ticket.save(update_fields=["assignee"])
    _add(ticket, Kind.SYSTEM, f"assigned:{name}", actor)


def change_state(ticket: Ticket, *, actor: Actor, state: State) -> None:
    """Agents set any state; a customer may only say that their own ticket is solved."""
    thread.lock(ticket)
    own = ticket.requester_id == actor.user_id and state == State.SOLVED and ticket.state != State.CLOSED
    if not own:
        _agents_only(actor)
    if state == ticket.state:
        return
    if ticket.state == State.CLOSED and ticket.conversation_id is not None:
        others = Ticket.objects.filter(conversation_id=ticket.conversation_id).exclude(state=State.CLOSED)
        if others.exists():
            raise WrongState(gettext_noop("Another ticket about the same conversation is open already."))
    thread.set_state(ticket, state)
    _add(ticket, Kind.SYSTEM, f"state:{state}", actor)
    if state in (State.SOLVED, State.CLOSED):
        _discard_open_drafts(ticket)


def request_draft(ticket: Ticket) -> Draft:
    """A new draft in the place of those that wait; a worker takes it after commit. Should the queue
    be down, the sweep finds the row."""
    if ticket.state == State.CLOSED:
        raise WrongState(gettext_noop("This ticket is closed."))
    _discard_open_drafts(ticket)
    draft: Draft = Draft.objects.create(tenant_id=ticket.tenant_id, ticket=ticket)
    transaction.on_commit(lambda: _enqueue(ticket.tenant_id, str(draft.pk)), robust=True)
    return draft


def discard_draft(draft: Draft, *, actor: Actor) -> None:
    _agents_only(actor)
    Draft.objects.filter(pk=draft.pk, state__in=OPEN_DRAFTS).update(state=DraftState.DISCARDED)


def keep_unsent(ticket: Ticket, *, actor: Actor, text: str, draft: Draft | None = None) -> UnsentReply:
    """Saves what an agent has typed so far; the last word counts."""
    _agents_only(actor)
    text = text.replace("\x00", "")
    if len(text) > MAX_TEXT:
        raise MessageTooLong(TOO_LONG)
    if draft is not None and draft.ticket_id != ticket.pk:
        raise WrongState(gettext_noop("This draft belongs to another ticket."))
    unsent, _created = UnsentReply.objects.update_or_create(
        ticket=ticket, user_id=actor.user_id, defaults={"tenant_id": actor.tenant_id, "text": text, "draft": draft}
    )
    return unsent  # type: ignore[no-any-return]


def look(ticket: Ticket, *, actor: Actor) -> int:
    """Notes that the agent has seen all there is; returns how far they had seen before."""
    _agents_only(actor)
    last = ticket.messages.aggregate(last=Max("number"))["last"] or 0
    found, created = Look.objects.get_or_create(
        ticket=ticket, user_id=actor.user_id, defaults={"tenant_id": actor.tenant_id, "seen": last}
    )
    before = 0 if created else found.seen
    if found.seen != last:
        Look.objects.filter(pk=found.pk).update(seen=last)
    return int(before)


def _add(
    ticket: Ticket, kind: Kind, text: str, actor: Actor, *, released_in: int = 0, message_id: UUID | None = None
) -> TicketMessage:
    message = thread.append(ticket, kind, text, actor.user_id, released_in=released_in, message_id=message_id)
    ticket.changed_at = timezone.now()
    ticket.save(update_fields=["changed_at"])
    return message


def _discard_open_drafts(ticket: Ticket) -> None:
    Draft.objects.filter(ticket=ticket, state__in=OPEN_DRAFTS).update(state=DraftState.DISCARDED)


def _clean(text: str, *, may_be_empty: bool = False) -> str:
    text = text.replace("\x00", "").strip()
    if not text and not may_be_empty:
        raise EmptyMessage
    if len(text) > MAX_TEXT:
        raise MessageTooLong(TOO_LONG)
    return text


def _agents_only(actor: Actor) -> None:
    if not actor.at_least(Role.AGENT):
        raise NotAllowed


def _enqueue(tenant_id: int, draft_id: str) -> None:
    from tickets.tasks import write_draft

    write_draft.apply_async((tenant_id, draft_id), retry=False)
