"""The demo: a tenant, its cast, and its knowledge, loaded by the product's own path."""

from __future__ import annotations

import secrets
from pathlib import Path

from django.conf import settings

from accounts.models import Membership, Role, Tenant, User
from accounts.tenancy import tenant_scope
from knowledge.importing import Report, import_path

HELP_CENTRE = settings.BASE_DIR / "knowledge" / "demo" / "help_centre"
CAST = (("customer", Role.CUSTOMER), ("agent", Role.AGENT), ("admin", Role.ADMIN))


def make_tenant(slug: str) -> tuple[Tenant, dict[str, str]]:
    """The tenant, and the passwords of those of its cast that were made just now, by e-mail."""
    tenant, _ = Tenant.objects.get_or_create(slug=slug, defaults={"name": "Larkspur"})
    passwords: dict[str, str] = {}
    for name, role in CAST:
        email = f"{name}@{slug}.example"
        user = User.objects.filter(email=email).first()
        if user is None:
            passwords[email] = secrets.token_urlsafe(9)
            user = User.objects.create_user(email, passwords[email], name=f"Demo {name}")
        with tenant_scope(tenant.pk):
            Membership.objects.get_or_create(tenant=tenant, user=user, defaults={"role": role})
    return tenant, passwords


def load(tenant: Tenant, knowledge_base: Path | None, *, quiet: bool = False) -> list[Report]:
    """The help centre and Citedesk's own documentation, or `knowledge_base` in their place."""
    if knowledge_base is not None:
        return [import_path(knowledge_base, tenant, source_name=knowledge_base.resolve().name, quiet=quiet)]
    return [
        import_path(HELP_CENTRE, tenant, source_name="Larkspur help centre", quiet=quiet),
        import_path(settings.BASE_DIR / "docs", tenant, source_name="Citedesk documentation", quiet=quiet),
    ]
