"""Batches of calls that nobody waits for. The rows are the outbox: what there is to do stands in their
states, and a worker that takes a lease on a part goes on where another one died."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from accounts.models import TenantModel, User


class BatchState(models.TextChoices):
    PREPARING = "preparing", _("preparing")  # money is being held; given up when `lease_until` is over
    RUNNING = "running", _("running")  # its parts are worked on
    COMPLETED = "completed", _("completed")  # every item has ended, each in its own way
    CANCELLED = "cancelled", _("cancelled")  # ended after somebody had cancelled it
    FAILED = "failed", _("failed")  # it never began; `error_code` says why


class PartState(models.TextChoices):
    WAITING = "waiting", _("waiting")  # to be submitted, or to be called one by one
    SUBMITTING = "submitting", _("submitting")  # the provider may have it or not: look there first
    PROCESSING = "processing", _("processing")  # the provider has it as `remote_id`
    ENDED = "ended", _("ended")  # all its items have ended


class ItemState(models.TextChoices):
    WAITING = "waiting", _("waiting")  # has no result yet
    CALLING = "calling", _("calling")  # an ordinary call of it was begun
    SUCCEEDED = "succeeded", _("succeeded")  # `result` is what the model said
    FAILED = "failed", _("failed")  # `error_code` says why
    EXPIRED = "expired", _("expired")  # the provider did not come to it
    CANCELLED = "cancelled", _("cancelled")  # stopped before the provider came to it


OPEN_ITEMS = (ItemState.WAITING, ItemState.CALLING)


class Batch(TenantModel):
    """What was submitted together. `user` is who did; `cancelled_at` when somebody cancelled it."""

    id = models.UUIDField(primary_key=True, editable=False)
    label = models.CharField(_("name"), max_length=120, blank=True)
    user = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name=_("submitted by")
    )
    state = models.CharField(_("state"), max_length=12, choices=BatchState, default=BatchState.PREPARING)
    error_code = models.CharField(_("error"), max_length=40, blank=True)
    created_at = models.DateTimeField(_("submitted"))
    lease_until = models.DateTimeField(null=True)
    cancelled_at = models.DateTimeField(_("cancelled at"), null=True)
    ended_at = models.DateTimeField(_("ended"), null=True)

    class Meta:
        verbose_name = _("batch of calls")
        verbose_name_plural = _("batches of calls")
        ordering: ClassVar = ["-created_at"]

    def __str__(self) -> str:
        return self.label or str(self.id)


class BatchPart(TenantModel):
    """What goes to a provider in one upload; without a `model`, items that are called one by one.
    `begun_at` is when it was first submitted, `due_at` when to look at it again, `troubles` how often
    in a row that failed. Whoever works on it is `holder` until `lease_until`."""

    id = models.UUIDField(primary_key=True, editable=False)
    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="parts")
    model = models.CharField(max_length=120, blank=True)
    state = models.CharField(max_length=12, choices=PartState, default=PartState.WAITING)
    remote_id = models.CharField(max_length=120, blank=True)
    begun_at = models.DateTimeField(null=True)
    asked_to_stop = models.BooleanField(default=False)
    due_at = models.DateTimeField()
    troubles = models.PositiveIntegerField(default=0)
    last_error = models.CharField(max_length=40, blank=True)
    holder = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["due_at"], condition=~models.Q(state=PartState.ENDED), name="batch_parts_due"),
        ]

    def __str__(self) -> str:
        return f"{self.id}: {self.state}"


class BatchItem(TenantModel):
    """One call. `id` is its custom id at the provider and the first call's own; `call` is the id of its
    audit record, which differs where a call died and was made anew. `request` and `result` are sealed by
    the key of the person whose words they hold, and unreadable once that person is erased."""

    id = models.UUIDField(primary_key=True, editable=False)
    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="items")
    part = models.ForeignKey(BatchPart, on_delete=models.CASCADE, null=True, related_name="items")
    number = models.PositiveIntegerField()
    state = models.CharField(max_length=12, choices=ItemState, default=ItemState.WAITING)
    call = models.UUIDField()
    subject = models.UUIDField()
    request = models.BinaryField()
    result = models.BinaryField(default=b"")
    error_code = models.CharField(max_length=40, blank=True)
    cost = models.DecimalField(max_digits=18, decimal_places=10, default=0)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["batch", "number"], name="one_item_per_number"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["part", "state"], name="batch_items_by_part"),
        ]

    def __str__(self) -> str:
        return f"{self.id}: {self.state}"
