"""What the door for other programs may let through, and the answers that it says again."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from accounts.models import ApiKey, Tenant, TenantModel


class DoorPolicy(TenantModel):
    """What programs of a tenant may send. Without a row, all secrets are blocked and no repository is."""

    class Classification(models.TextChoices):
        PUBLIC = "public", _("public")
        INTERNAL = "internal", _("internal")
        PERSONAL = "personal", _("personal")

    tenant = models.OneToOneField(Tenant, on_delete=models.CASCADE, primary_key=True, related_name="+")
    classification = models.CharField(
        _("classification"),
        max_length=20,
        choices=Classification,
        default=Classification.PERSONAL,
        help_text=_("How sensitive the text of programs is held to be. Routing and redaction go by it."),
    )
    block_private_keys = models.BooleanField(_("block private keys"), default=True)
    block_cloud_keys = models.BooleanField(_("block keys of clouds"), default=True)
    block_tokens = models.BooleanField(_("block tokens"), default=True)
    blocked_repositories = models.TextField(
        _("blocked repositories"),
        blank=True,
        help_text=_("One on each line: host/owner/name, owner/name or name; * stands for any one part."),
    )

    class Meta:
        verbose_name = _("policy for programs")
        verbose_name_plural = _("policies for programs")

    def __str__(self) -> str:
        return str(self.tenant)


class SavedAnswer(TenantModel):
    """What a program was answered to a request with an Idempotency-Key. `key` and `request` are
    digests. `body` is sealed by the data key of the person in the audit log, so that it goes with
    them; empty while the call `call` runs, until `lease_until` at most."""

    api_key = models.ForeignKey(ApiKey, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=64)
    request = models.CharField(max_length=64)
    call = models.UUIDField()
    body = models.BinaryField(default=b"")
    created_at = models.DateTimeField(db_index=True)
    lease_until = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["api_key", "key"], name="one_answer_per_idempotency_key"),
        ]

    def __str__(self) -> str:
        return str(self.call)
