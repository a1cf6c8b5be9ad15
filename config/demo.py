"""The demo: a tenant, its cast, and its knowledge, loaded by the product's own path."""

from __future__ import annotations

import secrets
from pathlib import Path

from django.conf import settings

from accounts.models import Membership, Role, Tenant, User
from accounts.permissions import actor_for
from accounts.tenancy import tenant_scope
from knowledge.importing import Report, import_path
from knowledge.models import Visibility
from tickets.actions import open_ticket
from tickets.models import Ticket

HELP_CENTRE = settings.BASE_DIR / "knowledge" / "demo" / "help_centre"
CAST = (("customer", Role.CUSTOMER), ("agent", Role.AGENT), ("admin", Role.ADMIN))

EXAMPLES = (
    "Can I get a refund for a yearly plan?",
    "How do I stop sharing a folder?",
    "What happens to my files when I delete my account?",
    "How do I get an invoice with my VAT number?",
)
TICKETS = (
    (
        "Hub blinks amber",
        "Hello, my Hub 2 has been flashing amber in groups of three since this morning. I have not unplugged "
        "anything. What does the light mean, and are my files safe in the meantime?",
    ),
    (
        "Money back for the yearly plan",
        "I moved from monthly to yearly payment about three weeks ago and it turns out that I need far less "
        "space. Can I still have a refund for the yearly plan?",
    ),
    (
        "Parcel says delivered, but nothing is here",
        "The tracking page says my Hub was delivered on Monday. Nobody in the house has it, and the neighbours "
        "do not either. How do I report a parcel as lost, and how long does it take?",
    ),
    (
        "Overwrote a chapter",
        "I saved an empty document over chapter four of my book, perhaps six weeks ago. How far back do the "
        "earlier versions of a file go, and how do I get one back?",
    ),
    (
        "Sponsoring our reading nights",
        "Our library is looking for a sponsor for its summer reading nights. Who at your company decides about "
        "that, and is there still money this year?",
    ),
)


def make_tenant(slug: str, knowledge_base: Path | None = None) -> tuple[Tenant, dict[str, str]]:
    """The tenant, called after its knowledge base where that is not the demo's, and the passwords of
    those of its cast that were made just now, by e-mail."""
    if knowledge_base is None:
        defaults = {"name": "Larkspur", "example_questions": "\n".join(EXAMPLES)}
    else:
        defaults = {"name": knowledge_base.resolve().stem.replace("_", " ").replace("-", " ").title()[:120]}
    tenant, _ = Tenant.objects.get_or_create(slug=slug, defaults=defaults)
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
    """The help centre and, for agents and admins, Citedesk's own documentation; or `knowledge_base`
    in their place. Larkspur's customers ask about Larkspur: what runs its desk is not for them."""
    if knowledge_base is not None:
        return [import_path(knowledge_base, tenant, source_name=knowledge_base.resolve().name, quiet=quiet)]
    return [
        import_path(HELP_CENTRE, tenant, source_name="Larkspur help centre", quiet=quiet),
        import_path(
            settings.BASE_DIR / "docs",
            tenant,
            source_name="Citedesk documentation",
            visibility=Visibility.INTERNAL,
            quiet=quiet,
        ),
    ]


def open_tickets(tenant: Tenant) -> None:
    """A desk that is not empty: opened by the demo's customer, once. The worker writes the drafts."""
    customer = User.objects.get(email=f"customer@{tenant.slug}.example")
    actor = actor_for(customer, tenant.slug)
    if actor is None:
        return
    with tenant_scope(tenant.pk):
        if not Ticket.objects.exists():
            for subject, text in TICKETS:
                open_ticket(actor=actor, subject=subject, text=text)
