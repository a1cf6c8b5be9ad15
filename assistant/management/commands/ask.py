"""manage.py ask QUESTION --tenant SLUG [--as EMAIL] [--json]"""

from __future__ import annotations

import asyncio
import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from accounts.commands import DatabaseCommand
from accounts.models import Membership, Role, Tenant, User
from accounts.permissions import Actor, tenant_by_slug
from accounts.tenancy import tenant_scope
from assistant.errors import AssistantError
from assistant.events import Error, Final
from assistant.pipeline.answer import Ask, answer
from gateway.connections import warm_up


class Command(DatabaseCommand):
    help = "Asks a question as a customer of the tenant and prints the cited answer."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("question")
        parser.add_argument("--tenant", required=True)
        parser.add_argument(
            "--as", dest="email", default="", help="a member's e-mail; a customer made for this by default"
        )
        parser.add_argument("--model", default=None, help="a model profile, instead of the configured ones")
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, question: str, tenant: str, email: str, **options: Any) -> None:
        actor = _actor(tenant, email)
        warm_up().result()  # a server has its models loaded, so the timings begin after that
        try:
            result = asyncio.run(_ask(Ask(question, actor, model=options["model"])))
        except AssistantError as error:
            result = {"status": "failed", "reason": error.code, "answer": "", "sentences": [], "citations": []}
        if options["json"]:
            self.stdout.write(json.dumps(result, ensure_ascii=False))
            return
        self.stdout.write(result["answer"] or f"({result['status']}: {result['reason']})")
        for citation in result["citations"]:
            self.stdout.write(f"[{citation['marker']}] {citation['title']}: “{citation['quote']}” {citation['url']}")


def _actor(slug: str, email: str) -> Actor:
    tenant = tenant_by_slug(slug)
    if tenant is None:
        raise CommandError(f"there is no tenant {slug!r}")
    if not email:
        return _command_line(tenant)
    with tenant_scope(tenant.pk):
        member = Membership.objects.select_related("user").filter(user__email=email).first()
    if member is None:
        raise CommandError(f"{email} is not a member of {slug!r}")
    return Actor(tenant.pk, tenant.slug, member.user_id, str(member.user), Role(member.role))


def _command_line(tenant: Tenant) -> Actor:
    """A customer of the tenant who is nobody: nobody's history fills up with the operator's
    questions. Cannot sign in, having no password."""
    email = f"command-line@{tenant.slug}.invalid"
    user = User.objects.filter(email=email).first() or User.objects.create_user(email, name="Command line")
    with tenant_scope(tenant.pk):
        Membership.objects.get_or_create(tenant=tenant, user=user, defaults={"role": Role.CUSTOMER})
    return Actor(tenant.pk, tenant.slug, user.pk, str(user), Role.CUSTOMER)


async def _ask(ask: Ask) -> dict[str, Any]:
    result: dict[str, Any] = {}
    async for event in answer(ask):
        if isinstance(event, Final | Error):
            result = event.answer
    return result
