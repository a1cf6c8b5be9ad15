"""Conversations: what was asked, what was answered, and what the reader thought of it."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from accounts.models import TenantModel


class Conversation(TenantModel):
    """One person's thread of questions."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="conversations")
    title = models.CharField(max_length=200)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering: ClassVar = ["-updated_at"]

    def __str__(self) -> str:
        return self.title


class Status(models.TextChoices):
    STREAMING = "streaming", _("being written")  # a task works on it until `final` or `error`
    ANSWERED = "answered", _("answered")  # checked, with citations
    ABSTAINED = "abstained", _("not known")  # the articles do not hold an answer
    STOPPED = "stopped", _("stopped")  # the reader stopped it; what there was is kept
    FAILED = "failed", _("failed")  # `final.reason` has the error's code


class Message(TenantModel):
    """One turn. For an answer `final` is the object of the `final` event, and `text` its prose."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="messages")
    number = models.PositiveIntegerField()
    role = models.CharField(max_length=10, choices=[("user", _("customer")), ("assistant", _("assistant"))])
    text = models.TextField(blank=True)
    status = models.CharField(max_length=10, choices=Status, default=Status.ANSWERED)
    final = models.JSONField(default=dict)
    audit_id = models.CharField(max_length=40, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar = ["number"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["conversation", "number"], name="message_number")]

    def __str__(self) -> str:
        return f"{self.role}: {self.text[:60]}"


class Citation(TenantModel):
    """A quote of an answer: `quote == version.text[start:end]`, to the character."""

    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="citations")
    marker = models.PositiveIntegerField()
    document = models.ForeignKey("knowledge.Document", on_delete=models.CASCADE, related_name="+")
    version = models.ForeignKey("knowledge.DocumentVersion", on_delete=models.CASCADE, related_name="citations")
    start = models.PositiveIntegerField()
    end = models.PositiveIntegerField()
    quote = models.TextField()


class Feedback(TenantModel):
    """A reader's thumb on one answer; one for each reader, the last one counts."""

    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="feedback")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    value = models.CharField(max_length=4, choices=[("up", _("helpful")), ("down", _("not helpful"))])
    reasons = models.JSONField(default=list)
    comment = models.CharField(max_length=2000, blank=True)
    created_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["message", "user"], name="one_thumb")]
