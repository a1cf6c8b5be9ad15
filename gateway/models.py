"""Money and its reservations, and the audit log. All rows are protected by row-level security;
the audit's rows can furthermore be neither changed nor deleted by anybody (see the migration)."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from accounts.models import Tenant, TenantModel, User


class Period(models.TextChoices):
    MONTHLY = "monthly", _("monthly")  # begins on the first day, UTC
    DAILY = "daily", _("daily")  # begins at midnight, UTC
    TOTAL = "total", _("total")  # never begins anew


class Budget(TenantModel):
    """How much may be spent. No user and no purpose: the whole tenant's; otherwise that user's,
    that purpose's, or that user's for that purpose. A call must fit into all that apply."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, null=True, blank=True, related_name="+")
    purpose = models.CharField(_("purpose"), max_length=40, blank=True)
    period = models.CharField(_("period"), max_length=10, choices=Period, default=Period.MONTHLY)
    limit = models.DecimalField(_("limit in US dollars"), max_digits=14, decimal_places=6)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["tenant", "user", "purpose", "period"], nulls_distinct=False, name="one_budget_per_level"
            ),
            models.CheckConstraint(condition=models.Q(limit__gte=0), name="budget_limit_is_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.level}: ${self.limit:.2f} {self.get_period_display()}"

    @property
    def level(self) -> str:
        """Whose budget it is: `tenant`, `user`, `purpose` or `user and purpose`."""
        parts = [name for name, set_ in (("user", self.user_id), ("purpose", self.purpose)) if set_]
        return " and ".join(parts) or "tenant"


class BudgetUse(TenantModel):
    """What one period of a budget has used, in US dollars: `reserved` by calls that still run,
    `settled` by those that ended."""

    budget = models.ForeignKey(Budget, on_delete=models.CASCADE, related_name="uses")
    period_start = models.DateField()
    reserved = models.DecimalField(max_digits=18, decimal_places=10, default=0)
    settled = models.DecimalField(max_digits=18, decimal_places=10, default=0)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["budget", "period_start"], name="one_use_per_period"),
        ]

    def __str__(self) -> str:
        return f"{self.period_start}: ${self.settled:.4f}, reserved ${self.reserved:.4f}"


class Reservation(TenantModel):
    """Money held for a call that runs; the row goes when the call is settled. `lines` are the
    ids of the `BudgetUse` rows that hold it, `request` is the frozen call, so that one whose
    process died can still be audited after `expires_at`."""

    id = models.UUIDField(primary_key=True, editable=False)  # the call's id
    amount = models.DecimalField(max_digits=18, decimal_places=10)
    lines = models.JSONField(default=list)
    request = models.TextField()
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"{self.id}: ${self.amount:.6f}"


class Circuit(models.Model):
    """The state of a model's circuit breaker (`gateway.breaker.state.State`), kept here when there
    is no Redis. Of no tenant: whether a model answers is the same for all."""

    key = models.CharField(_("model"), max_length=120, primary_key=True)
    state = models.JSONField(default=dict)

    class Meta:
        verbose_name = _("model's circuit")
        verbose_name_plural = _("models and their circuits")

    def __str__(self) -> str:
        return self.key


class AuditRecord(TenantModel):
    """What one call was and came to: its metadata. The text of it is in `AuditContent`, bound
    here by `content_digest`. `mac` covers every other field, and through `previous_mac` all
    records before it. Neither user nor tenant is a foreign key in the database: the log
    outlives both."""

    class Kind(models.TextChoices):
        COMPLETION = "completion", _("completion")
        EMBEDDING = "embedding", _("embedding")

    id = models.UUIDField(primary_key=True, editable=False)  # the call's id
    tenant = models.ForeignKey(Tenant, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+")
    sequence = models.BigIntegerField(_("number"))
    at = models.DateTimeField(_("time"))
    kind = models.CharField(_("kind"), max_length=12, choices=Kind)
    task = models.CharField(_("task"), max_length=20)
    purpose = models.CharField(_("purpose"), max_length=40)
    classification = models.CharField(_("classification"), max_length=20)
    user = models.ForeignKey(
        User, on_delete=models.DO_NOTHING, db_constraint=False, null=True, related_name="+", verbose_name=_("user")
    )
    user_label = models.CharField(_("user"), max_length=200, blank=True)
    conversation_id = models.CharField(_("conversation"), max_length=64, blank=True)
    provider = models.CharField(_("provider"), max_length=40, blank=True)
    model = models.CharField(_("model"), max_length=120, blank=True)
    model_version = models.CharField(_("model version"), max_length=120, blank=True)
    prompt_version = models.CharField(_("prompt version"), max_length=40, blank=True)
    inputs = models.IntegerField(_("messages or texts"), default=0)
    input_tokens = models.IntegerField(_("input tokens"), default=0)
    output_tokens = models.IntegerField(_("output tokens"), default=0)
    cached_tokens = models.IntegerField(_("cached tokens"), default=0)
    reasoning_tokens = models.IntegerField(_("reasoning tokens"), default=0)
    usage_estimated = models.BooleanField(_("tokens are an estimate"), default=False)
    cost = models.DecimalField(_("cost in US dollars"), max_digits=18, decimal_places=10, default=0)
    finish_reason = models.CharField(_("ended by"), max_length=20, blank=True)
    error_code = models.CharField(_("error"), max_length=40, blank=True)
    verdict = models.CharField(_("verdict"), max_length=20, blank=True)
    timings = models.JSONField(_("timings"), default=dict)
    attempts = models.JSONField(_("attempts"), default=list)
    content_digest = models.CharField(max_length=64)
    previous_mac = models.CharField(max_length=64, blank=True)
    mac = models.CharField(max_length=64)

    class Meta:
        ordering: ClassVar = ["-sequence"]
        verbose_name = _("audit record")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["tenant", "sequence"], name="one_record_per_number"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["tenant", "-at"], name="audit_by_time"),
            models.Index(fields=["tenant", "conversation_id"], name="audit_by_conversation"),
        ]

    def __str__(self) -> str:
        return f"{self.sequence}: {self.kind} by {self.model or 'no model'}"


class AuditContent(TenantModel):
    """The text of a completion, held apart from its digest so that the chain stays verifiable
    without it (A4). `body` is kept as the very text that was digested, because PostgreSQL's jsonb
    rewrites numbers; `salt` keeps the digest from confirming a guess. Embeddings have none: their
    digest is of the texts, which are kept elsewhere."""

    tenant = models.ForeignKey(Tenant, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+")
    record = models.OneToOneField(
        AuditRecord, on_delete=models.DO_NOTHING, primary_key=True, related_name="content", db_index=False
    )
    salt = models.CharField(max_length=64)
    body = models.TextField()

    def __str__(self) -> str:
        return str(self.record_id)

    @property
    def data(self) -> dict[str, Any]:
        """`question`, `messages` [{role, content}], `options`, `sources` [fields of
        `types.Source`], `answer`, `tool_calls`, `verdict` {name, detail}, `error`."""
        return json.loads(self.body)  # type: ignore[no-any-return]


class AuditHead(TenantModel):
    """The last number and MAC of a tenant's chain: the row that its writers queue for."""

    tenant = models.OneToOneField(
        Tenant, on_delete=models.DO_NOTHING, db_constraint=False, primary_key=True, related_name="+"
    )
    sequence = models.BigIntegerField()
    mac = models.CharField(max_length=64, blank=True)

    def __str__(self) -> str:
        return f"{self.tenant_id}: {self.sequence}"
