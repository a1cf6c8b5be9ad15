"""Tenants, the people in them, and the keys of their programs."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import uuid
from typing import Any, ClassVar, Self

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.core.validators import RegexValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.tenancy import current_tenants


class Tenant(models.Model):
    """A company. Its row is readable by all; everything below it is protected by policy."""

    slug = models.SlugField(_("address"), max_length=50, unique=True)
    name = models.CharField(_("name"), max_length=120)
    accent = models.CharField(
        _("accent colour"), max_length=7, default="#2457c5", validators=[RegexValidator(r"^#[0-9a-fA-F]{6}$")]
    )
    example_questions = models.TextField(
        _("example questions"), blank=True, help_text=_("One on each line. Without any, titles of articles are shown.")
    )
    signup_open = models.BooleanField(_("customers may sign up"), default=True)
    suspended_at = models.DateTimeField(_("suspended"), null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.name


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> User:
        return self.create_user(email, password, is_superuser=True, **fields)


class User(AbstractBaseUser, PermissionsMixin):
    """A person, known by e-mail address. What they may do stands in their memberships;
    `is_superuser` marks the operator of the installation."""

    email = models.EmailField(_("e-mail address"), unique=True)
    name = models.CharField(_("name"), max_length=120, blank=True)
    is_active = models.BooleanField(_("active"), default=True)
    date_joined = models.DateTimeField(default=timezone.now)

    objects = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    def __str__(self) -> str:
        return self.name or self.email

    @property
    def is_staff(self) -> bool:
        """Django admin asks this; the admin site itself also lets tenants' admins in."""
        return self.is_superuser


class TenantManager(models.Manager[Any]):
    """The first of two locks: rows of the current tenants alone."""

    def get_queryset(self) -> models.QuerySet[Any]:
        return super().get_queryset().filter(tenant_id__in=current_tenants())


class TenantModel(models.Model):
    """Base of every model whose rows belong to one tenant. Its migration must `protect` it."""

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="+")

    objects: ClassVar[models.Manager[Any]] = TenantManager()

    class Meta:
        abstract = True


class Role(models.TextChoices):
    CUSTOMER = "customer", _("customer")  # asks, and sees their own conversations and tickets
    AGENT = "agent", _("agent")  # works the tickets, sees internal articles
    ADMIN = "admin", _("admin")  # sets budgets and policies, reads the audit log


class Membership(TenantModel):
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["tenant", "user"], name="one_role_per_tenant")]

    def __str__(self) -> str:
        return f"{self.user} ({self.role})"


class ApiKey(TenantModel):
    """A program's key: `cdk_<prefix>_<secret>`. It acts as `owner`, within `scopes`. What it spends is
    booked under `purpose`. `allowed_models` are those that it may name; empty: those of the settings.

    Only a SHA-256 of the secret is kept; it has 256 bits of its own, so no slow hash is needed.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=80)
    prefix = models.CharField(max_length=12, unique=True)
    digest = models.CharField(max_length=64)
    scopes = models.JSONField(default=list)
    purpose = models.CharField(_("purpose"), max_length=40, blank=True)
    allowed_models = models.JSONField(_("allowed models"), default=list, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    @classmethod
    def issue(cls, *, tenant: Tenant, owner: User, name: str, scopes: list[str], **more: Any) -> tuple[Self, str]:
        """A new key and, this once, its text. `more` are further fields."""
        prefix, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
        digest = hashlib.sha256(secret.encode()).hexdigest()
        key = cls(tenant=tenant, owner=owner, name=name, prefix=prefix, digest=digest, scopes=scopes, **more)
        key.save(force_insert=True)
        return key, f"cdk_{prefix}_{secret}"

    def matches(self, secret: str) -> bool:
        return hmac.compare_digest(self.digest, hashlib.sha256(secret.encode()).hexdigest())

    @property
    def live(self) -> bool:
        expired = self.expires_at is not None and self.expires_at <= timezone.now()
        return self.revoked_at is None and not expired
