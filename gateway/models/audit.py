"""The audit log. Its rows can be changed by nobody, and deleted by no other rule than erasure and
retention (see the migration)."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from accounts.models import Tenant, TenantModel, User
from gateway.audit import keys


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
        ROUTING = "routing", _("routing policy")  # `detail.version` was made; its document has `detail.digest`

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
    gateways = models.JSONField(_("reports of gateways in front"), default=list)  # [{gateway, id?, cost?}]
    # of an erasure, retention or policy; of a completion, what the cache had
    detail = models.JSONField(_("detail"), default=dict)
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
