"""Answers that are kept to be given again, who writes one just now, and what a tenant allows."""

from __future__ import annotations

from typing import ClassVar

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _
from pgvector.django import HalfVectorField

from accounts.models import TenantModel
from gateway.models.audit import AuditSubject

BOUND = 0.90  # of the cosine of two questions; docs/evaluation.md says why
HOURS = 24


class CachePolicy(TenantModel):
    """What a tenant's cache may do. Without a row it is as the fields' defaults say."""

    enabled = models.BooleanField(
        _("on"), default=True, help_text=_("Off removes what is kept. Answers that only quote are never kept.")
    )
    similar = models.BooleanField(
        _("also for similar questions"),
        default=True,
        help_text=_("Otherwise an answer is given again to the same question alone."),
    )
    bound = models.FloatField(
        _("least similarity"),
        default=BOUND,
        validators=[MinValueValidator(0.8), MaxValueValidator(1.0)],
        help_text=_("Cosine of the two questions, 0.8 to 1. Higher is surer, and finds less."),
    )
    hours = models.PositiveIntegerField(
        _("hours"),
        default=HOURS,
        validators=[MinValueValidator(1), MaxValueValidator(8760)],
        help_text=_("How long an answer is kept; never longer than the audit log keeps texts."),
    )

    class Meta:
        verbose_name = _("cache policy")
        verbose_name_plural = _("cache of answers")
        constraints: ClassVar = [models.UniqueConstraint(fields=["tenant"], name="one_cache_policy")]

    def __str__(self) -> str:
        return str(self.tenant)


class CachedAnswer(TenantModel):
    """An answer and the question that it was given to, sealed by the key of the person who asked:
    erasing them removes the row (`ON DELETE CASCADE`), and no copy of it can be read.

    `exact` and `scope` are keyed digests (`gateway.cache.key`), `corpus` the state of knowledge that
    the answer was written with, `vector` the question's embedding where similar ones may have it.
    """

    id = models.UUIDField(primary_key=True, editable=False)  # of the call, and so of its audit record
    subject = models.ForeignKey(AuditSubject, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+")
    exact = models.CharField(max_length=64)
    scope = models.CharField(max_length=64)
    corpus = models.BigIntegerField()
    vector = HalfVectorField(null=True)
    body = models.BinaryField()
    hits = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField()
    used_at = models.DateTimeField()

    class Meta:
        verbose_name = _("kept answer")
        verbose_name_plural = _("kept answers")
        constraints: ClassVar = [models.UniqueConstraint(fields=["tenant", "exact"], name="one_answer_per_question")]
        indexes: ClassVar = [
            models.Index(fields=["tenant", "scope"], name="answers_by_scope"),
            models.Index(fields=["tenant", "-used_at"], name="answers_by_use"),
            models.Index(fields=["subject"], name="answers_by_subject"),
        ]

    def __str__(self) -> str:
        return str(self.pk)


class CacheLead(TenantModel):
    """The call that asks a model just now what others ask too: they wait for it, at most until `until`."""

    exact = models.CharField(max_length=64)
    holder = models.UUIDField()
    until = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["tenant", "exact"], name="one_lead_per_question")]

    def __str__(self) -> str:
        return str(self.holder)
