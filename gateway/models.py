"""Money, its reservations and alerts, and the audit log. All rows are protected by row-level security.
The audit's rows can furthermore be changed by nobody, and deleted by no other rule than erasure and
retention (see the migration)."""

from __future__ import annotations

import json
import secrets
import uuid
from typing import Any, ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from accounts.models import ApiKey, Tenant, TenantModel, User
from gateway.audit import keys


def new_salt() -> str:
    return secrets.token_hex(16)


class Period(models.TextChoices):
    MONTHLY = "monthly", _("monthly")  # begins on the first day, UTC
    DAILY = "daily", _("daily")  # begins at midnight, UTC
    TOTAL = "total", _("total")  # never begins anew


class Budget(TenantModel):
    """How much may be spent. No user, no API key and no purpose: the whole tenant's; otherwise that
    user's, that key's, that purpose's, or what all that are set have in common. A call must fit into
    all hard budgets that apply; soft ones count and alert, and refuse nothing."""

    user = models.ForeignKey(
        User, on_delete=models.CASCADE, null=True, blank=True, related_name="+", verbose_name=_("user")
    )
    api_key = models.ForeignKey(
        ApiKey, on_delete=models.CASCADE, null=True, blank=True, related_name="+", verbose_name=_("API key")
    )
    purpose = models.CharField(_("purpose"), max_length=40, blank=True)
    period = models.CharField(_("period"), max_length=10, choices=Period, default=Period.MONTHLY)
    limit = models.DecimalField(_("limit in US dollars"), max_digits=14, decimal_places=6)
    soft = models.BooleanField(
        _("soft"), default=False, help_text=_("Calls go on when it is used up; the admins are told all the same.")
    )

    class Meta:
        verbose_name = _("budget")
        verbose_name_plural = _("budgets")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["tenant", "user", "api_key", "purpose", "period"],
                nulls_distinct=False,
                name="one_budget_per_level",
            ),
            models.CheckConstraint(condition=models.Q(limit__gte=0), name="budget_limit_is_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.level}: ${self.limit:.2f} {self.get_period_display()}"

    @property
    def level(self) -> str:
        """Whose budget it is: `tenant`, or of `user`, `API key` and `purpose` those that are set."""
        set_ = {"user": self.user_id, "API key": self.api_key_id, "purpose": self.purpose}
        return " and ".join(name for name, value in set_.items() if value) or "tenant"


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


class Threshold(models.IntegerChoices):
    HALF = 50, "50 %"
    MOST = 80, "80 %"
    ALL = 100, "100 %"  # also when a hard budget refuses a call that the rest does not hold


class BudgetAlert(TenantModel):
    """A budget that reached a threshold in a period: one row, made by the transaction that booked
    the money (or refused the call), so one alert, whoever counts at the same time. The figures are
    those of that moment. `announced_at` is when its deliveries were made."""

    budget = models.ForeignKey(Budget, on_delete=models.CASCADE, related_name="alerts")
    period_start = models.DateField(_("period from"))
    threshold = models.PositiveSmallIntegerField(_("threshold"), choices=Threshold)
    refused = models.BooleanField(_("a call was refused"), default=False)
    settled = models.DecimalField(_("used"), max_digits=18, decimal_places=10)
    limit = models.DecimalField(_("limit in US dollars"), max_digits=14, decimal_places=6)
    created_at = models.DateTimeField(_("time"))
    announced_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("budget alert")
        verbose_name_plural = _("budget alerts")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["budget", "period_start", "threshold"], name="one_alert_per_threshold"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["id"], condition=models.Q(announced_at=None), name="alerts_to_announce"),
        ]

    def __str__(self) -> str:
        return f"{self.get_threshold_display()} since {self.period_start}"


class AlertWebhook(TenantModel):
    """An address that is told of every budget alert. The secret that signs what is sent is made
    from the installation's key and `salt`, so none is stored; another salt is another secret."""

    url = models.URLField(_("address"), max_length=500)
    active = models.BooleanField(_("active"), default=True)
    salt = models.CharField(max_length=32, editable=False, default=new_salt)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("alert webhook")
        verbose_name_plural = _("alert webhooks")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["tenant", "url"], name="one_webhook_per_address"),
        ]

    def __str__(self) -> str:
        return self.url


class DeliveryState(models.TextChoices):
    WAITING = "waiting", _("waiting")  # to be sent when `due_at` has come
    SENDING = "sending", _("sending")  # a worker has it until `due_at`; after that another may
    SENT = "sent", _("sent")  # the mail server or the webhook took it
    FAILED = "failed", _("failed")  # given up after the last attempt; `error` says why


class AlertDelivery(TenantModel):
    """One alert on its way to one recipient: the outbox. To a webhook, or to `email` where there is
    none. Sent at least once: a worker that dies between sending and noting it sends again, under
    the same id."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    alert = models.ForeignKey(BudgetAlert, on_delete=models.CASCADE, related_name="deliveries")
    webhook = models.ForeignKey(AlertWebhook, on_delete=models.CASCADE, null=True, related_name="+")
    email = models.EmailField(_("e-mail address"), blank=True)
    state = models.CharField(_("state"), max_length=10, choices=DeliveryState, default=DeliveryState.WAITING)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    due_at = models.DateTimeField()
    sent_at = models.DateTimeField(_("sent"), null=True)
    error = models.CharField(_("error"), max_length=200, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["alert", "webhook", "email"], nulls_distinct=False, name="one_delivery_per_recipient"
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["due_at"], condition=models.Q(state__in=["waiting", "sending"]), name="deliveries_due"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.email or self.webhook}: {self.state}"


class AuditSubject(TenantModel):
    """A person in a tenant's audit log: the one place that says who, and the data key by which what
    their records say is sealed. Destroying the row erases the person (A4). Without a user it stands
    for the tenant's own work. The row is bound together by `wrapped`: an edit is found."""

    id = models.UUIDField(primary_key=True, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+")
    user = models.ForeignKey(User, on_delete=models.DO_NOTHING, db_constraint=False, null=True, related_name="+")
    wrapped = models.BinaryField()
    created_at = models.DateTimeField()

    class Meta:
        verbose_name = _("person in the audit log")
        verbose_name_plural = _("people in the audit log")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["tenant", "user"], nulls_distinct=False, name="one_key_per_person"),
        ]

    def __str__(self) -> str:
        return str(self.id)

    def key(self) -> bytes:
        """Raises `keys.Unreadable`."""
        return keys.data_key(self.tenant_id, self.pk, self.user_id, bytes(self.wrapped))


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
    """What one call was and came to, or what was done to the log itself: metadata that names no
    person. The text of it is in `AuditContent`, bound here by `content_digest`. `mac` covers every
    other field, and through `previous_mac` all records before it. Nothing here is a foreign key in
    the database: the log outlives what it names."""

    class Kind(models.TextChoices):
        COMPLETION = "completion", _("completion")
        EMBEDDING = "embedding", _("embedding")
        ERASURE = "erasure", _("erasure")  # a person's key was destroyed; `detail` says whose and how much
        RETENTION = "retention", _("retention")  # texts up to the number `detail.through` went, by the policy
        POLICY = "policy", _("policy")  # how long texts are kept was changed to `detail.days`

    id = models.UUIDField(primary_key=True, editable=False)  # the call's id
    tenant = models.ForeignKey(Tenant, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+")
    sequence = models.BigIntegerField(_("number"))
    at = models.DateTimeField(_("time"))
    kind = models.CharField(_("kind"), max_length=12, choices=Kind)
    task = models.CharField(_("task"), max_length=20)
    purpose = models.CharField(_("purpose"), max_length=40)
    classification = models.CharField(_("classification"), max_length=20)
    actor = models.ForeignKey(  # who asked
        AuditSubject,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        null=True,
        related_name="+",
        verbose_name=_("user"),
    )
    subject = models.ForeignKey(  # whose text it is, and whose key seals it
        AuditSubject, on_delete=models.DO_NOTHING, db_constraint=False, null=True, related_name="+"
    )
    conversation_id = models.CharField(_("conversation"), max_length=64, blank=True)
    replay_of = models.UUIDField(_("replay of"), null=True)
    provider = models.CharField(_("provider"), max_length=40, blank=True)
    model = models.CharField(_("model"), max_length=120, blank=True)
    model_version = models.CharField(_("model version"), max_length=120, blank=True)
    prompt_version = models.CharField(_("prompt version"), max_length=40, blank=True)
    policy_version = models.CharField(_("policy version"), max_length=40, blank=True)
    inputs = models.IntegerField(_("messages or texts"), default=0)
    sources = models.JSONField(_("sources"), default=list)  # [{document, version, start, end}], without their text
    redaction = models.JSONField(_("redaction"), default=dict)  # how many were taken out, by type; never what
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
    detail = models.JSONField(_("detail"), default=dict)  # of an erasure, retention or policy
    anchored = models.BigIntegerField(default=0)  # the number that the writer knew to be in the anchor
    content_digest = models.CharField(max_length=64, blank=True)
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
            models.Index(fields=["subject", "sequence"], name="audit_by_subject"),
            models.Index(
                fields=["tenant", "sequence"],
                condition=models.Q(kind__in=["erasure", "retention", "policy"]),
                name="audit_events",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.sequence}: {self.kind} by {self.model or 'no model'}"


class AuditContent(TenantModel):
    """The text of a completion, sealed by its subject's key and held apart from its digest, so that
    the chain stays verifiable without it. Embeddings have none: their digest is of texts that are
    kept elsewhere."""

    tenant = models.ForeignKey(Tenant, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+")
    record = models.OneToOneField(
        AuditRecord, on_delete=models.DO_NOTHING, primary_key=True, related_name="content", db_index=False
    )
    body = models.BinaryField()

    def __str__(self) -> str:
        return str(self.record_id)

    @property
    def data(self) -> dict[str, Any]:
        """`user` (their label, where the text is their own), `question`, `messages` [{role,
        content}], `options`, `sources` [fields of `types.Source`], `answer`, `tool_calls`, `verdict`
        {name, detail}. Raises `keys.Unreadable`, also when the person was erased."""
        try:
            subject = self.record.subject
        except AuditSubject.DoesNotExist:
            subject = None
        if subject is None:
            raise keys.Unreadable
        _salt, text = keys.unseal(subject.key(), self.record_id, bytes(self.body))
        return json.loads(text)  # type: ignore[no-any-return]


class AuditPolicy(TenantModel):
    """How many days the texts of a tenant's records are kept; without a row, for ever. Changed by
    `gateway.audit.retention.keep_for` alone, which leaves a record."""

    tenant = models.OneToOneField(Tenant, on_delete=models.CASCADE, primary_key=True, related_name="+")
    days = models.PositiveIntegerField(_("days"))

    class Meta:
        verbose_name = _("retention policy")
        verbose_name_plural = _("retention policies")
        constraints: ClassVar = [
            models.CheckConstraint(condition=models.Q(days__gte=1), name="retention_is_at_least_a_day"),
        ]

    def __str__(self) -> str:
        return f"{self.tenant}: {self.days}"


class AuditHead(TenantModel):
    """The last number and MAC of a tenant's chain: the row that its writers queue for."""

    tenant = models.OneToOneField(
        Tenant, on_delete=models.DO_NOTHING, db_constraint=False, primary_key=True, related_name="+"
    )
    sequence = models.BigIntegerField()
    mac = models.CharField(max_length=64, blank=True)

    def __str__(self) -> str:
        return f"{self.tenant_id}: {self.sequence}"
