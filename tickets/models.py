"""Tickets: what a customer asked a person, what was drafted, and what was sent.

Nothing in here sends by itself: a `TicketMessage` of kind `agent` is made by `actions.reply`, which
takes the agent who sent it (P6).
"""

from __future__ import annotations

import uuid
from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Role, TenantManager, TenantModel
from accounts.permissions import Actor


class State(models.TextChoices):
    OPEN = "open", _("open")  # waits for an agent
    PENDING = "pending", _("pending")  # waits for the customer
    SOLVED = "solved", _("solved")  # answered; a word from the customer opens it again
    CLOSED = "closed", _("closed")  # ended; a word from the customer begins a new ticket


class TicketManager(TenantManager):
    def visible_to(self, actor: Actor) -> models.QuerySet[Any]:
        """All of the tenant's for agents, their own for customers."""
        tickets = self.get_queryset().filter(tenant_id=actor.tenant_id)
        return tickets if actor.at_least(Role.AGENT) else tickets.filter(requester_id=actor.user_id)


class Ticket(TenantModel):
    """`number` counts from 1 in each tenant and is what people call it by. `conversation` is the
    chat it came from; at most one ticket that is not closed comes from the same one."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    number = models.PositiveIntegerField()
    subject = models.CharField(max_length=200)
    state = models.CharField(max_length=10, choices=State, default=State.OPEN)
    requester = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    assignee = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    conversation = models.ForeignKey(
        "assistant.Conversation", on_delete=models.SET_NULL, null=True, blank=True, related_name="tickets"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField(default=timezone.now)  # the last message or change of state

    objects: ClassVar[TicketManager] = TicketManager()

    class Meta:
        ordering: ClassVar = ["-changed_at"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["tenant", "number"], name="ticket_number"),
            models.UniqueConstraint(
                fields=["conversation"], condition=~models.Q(state="closed"), name="one_open_ticket_per_conversation"
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["tenant", "state", "-changed_at"], name="ticket_queue")]

    def __str__(self) -> str:
        return f"#{self.number} {self.subject}"


class Kind(models.TextChoices):
    CUSTOMER = "customer", _("customer")  # the requester's own words
    AGENT = "agent", _("agent")  # a reply that an agent sent
    ASSISTANT = "assistant", _("assistant")  # what the assistant had answered before the person came
    NOTE = "note", _("note")  # for agents alone
    SYSTEM = "system", _("system")  # a change of state or assignee, for agents alone


FOR_CUSTOMERS = (Kind.CUSTOMER, Kind.AGENT, Kind.ASSISTANT)


class MessageManager(TenantManager):
    def visible_to(self, actor: Actor) -> models.QuerySet[Any]:
        """All for agents. Customers see no notes, no changes, and no reply that may still be taken
        back, and only those of their own tickets."""
        messages = self.get_queryset().filter(tenant_id=actor.tenant_id)
        if actor.at_least(Role.AGENT):
            return messages
        own = messages.filter(ticket__requester_id=actor.user_id, kind__in=FOR_CUSTOMERS)
        return own.filter(released_at__lte=timezone.now())


class TicketMessage(TenantModel):
    """One entry of a ticket, in the order of `number`.

    `citations` are objects as `manage.py ask` prints them. A reply made from a draft keeps it, and
    `distance`: the normalised edit distance (Levenshtein, 0 = sent as drafted, 1 = all new) between
    the draft's text and what was sent. Customers see a reply from `released_at` on; until then its
    sender can take it back.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    ticket = models.ForeignKey(Ticket, on_delete=models.CASCADE, related_name="messages")
    number = models.PositiveIntegerField()
    kind = models.CharField(max_length=10, choices=Kind)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    text = models.TextField()
    citations = models.JSONField(default=list)
    draft = models.ForeignKey("Draft", on_delete=models.SET_NULL, null=True, blank=True, related_name="replies")
    distance = models.FloatField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)  # of a chat's turns, when they were said
    released_at = models.DateTimeField(default=timezone.now)

    objects: ClassVar[MessageManager] = MessageManager()

    class Meta:
        ordering: ClassVar = ["number"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["ticket", "number"], name="ticket_message_number")]

    def __str__(self) -> str:
        return f"{self.kind}: {self.text[:60]}"


class DraftState(models.TextChoices):
    WAITING = "waiting", _("waiting")  # a worker will take it; the row is the outbox
    WRITING = "writing", _("being written")  # somebody holds the lease until `lease_until`
    READY = "ready", _("ready")  # a cited text waits for an agent
    EMPTY = "empty", _("nothing found")  # the articles hold no answer; `reason` says why
    FAILED = "failed", _("failed")  # `reason` is the error's code
    SENT = "sent", _("sent")  # an agent sent it, edited or not
    DISCARDED = "discarded", _("discarded")  # an agent threw it away, or a newer one took its place


class Draft(TenantModel):
    """A reply that the assistant proposes. `answer` is the object that `manage.py ask` prints."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    ticket = models.ForeignKey(Ticket, on_delete=models.CASCADE, related_name="drafts")
    state = models.CharField(max_length=10, choices=DraftState, default=DraftState.WAITING)
    reason = models.CharField(max_length=60, blank=True)
    text = models.TextField(blank=True)
    answer = models.JSONField(default=dict)
    audit_id = models.CharField(max_length=40, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar = ["-created_at"]

    def __str__(self) -> str:
        return f"draft of {self.ticket_id} ({self.state})"


class UnsentReply(TenantModel):
    """What an agent has typed and not sent: kept, so that a crash loses nothing."""

    ticket = models.ForeignKey(Ticket, on_delete=models.CASCADE, related_name="unsent")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    text = models.TextField(blank=True)
    draft = models.ForeignKey(Draft, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["ticket", "user"], name="one_unsent_reply")]

    def __str__(self) -> str:
        return f"unsent reply to {self.ticket_id}"


class Look(TenantModel):
    """How far an agent has read a ticket: the number of the last message that they saw."""

    ticket = models.ForeignKey(Ticket, on_delete=models.CASCADE, related_name="looks")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    seen = models.PositiveIntegerField(default=0)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["ticket", "user"], name="one_look")]

    def __str__(self) -> str:
        return f"{self.user_id} saw {self.ticket_id} up to {self.seen}"
