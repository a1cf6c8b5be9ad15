"""Who asks, and what they may do: one value that every door makes and every flow takes."""

from __future__ import annotations

from dataclasses import dataclass

from accounts.models import ApiKey, Membership, Role, Tenant, User
from accounts.tenancy import identity_scope, key_scope, tenant_scope

ALL_SCOPES = frozenset({"ask", "tickets", "knowledge", "audit", "gateway"})
RANK = {Role.CUSTOMER: 0, Role.AGENT: 1, Role.ADMIN: 2}


@dataclass(frozen=True)
class Actor:
    """A person in a tenant, perhaps through an API key. `scopes` limits what a key may do."""

    tenant_id: int
    tenant_slug: str
    user_id: int
    label: str
    role: Role
    scopes: frozenset[str] = ALL_SCOPES
    api_key_id: str = ""

    def at_least(self, role: Role) -> bool:
        return RANK[self.role] >= RANK[role]

    @property
    def visibilities(self) -> tuple[str, ...]:
        """Which articles this person may read."""
        customer = ("public", "signed_in")
        return (*customer, "internal") if self.at_least(Role.AGENT) else customer


def tenant_by_slug(slug: str) -> Tenant | None:
    """A tenant that is open for business."""
    return Tenant.objects.filter(slug=slug, suspended_at=None).first()


def actor_for(user: User, slug: str) -> Actor | None:
    """The user as a member of the tenant, or None: to a stranger the tenant does not exist."""
    tenant = tenant_by_slug(slug)
    if tenant is None or not user.is_authenticated or not user.is_active:
        return None
    with identity_scope(user.pk), tenant_scope(tenant.pk):
        membership = Membership.objects.filter(user_id=user.pk).first()
    if membership is None:
        return None
    return Actor(tenant.pk, tenant.slug, user.pk, str(user), Role(membership.role))


def actor_for_key(text: str, slug: str) -> Actor | None:
    """The owner of a live API key, within its scopes, if the key is the tenant's own."""
    found = key_and_actor(text)
    return found[1] if found is not None and found[1].tenant_slug == slug else None


def key_and_actor(text: str) -> tuple[ApiKey, Actor] | None:
    """A live API key and its owner within its scopes, in the key's own tenant."""
    kind, _, rest = text.partition("_")
    prefix, _, secret = rest.partition("_")
    if kind != "cdk" or not prefix.isalnum() or not secret:
        return None
    with key_scope(prefix):
        key: ApiKey | None = ApiKey._base_manager.select_related("owner", "tenant").filter(prefix=prefix).first()
    if key is None or not key.matches(secret) or not key.live:
        return None
    actor = actor_for(key.owner, key.tenant.slug)
    if actor is None:
        return None
    scopes = frozenset(key.scopes) & ALL_SCOPES
    label = f"{actor.label} ({key.name})"
    return key, Actor(actor.tenant_id, actor.tenant_slug, actor.user_id, label, actor.role, scopes, str(key.pk))


def administered_tenants(user: User) -> list[int]:
    """The tenants whose records this user may read in the admin: all for the operator."""
    if not user.is_authenticated or not user.is_active:
        return []
    if user.is_superuser:
        return list(Tenant.objects.values_list("pk", flat=True))
    with identity_scope(user.pk):
        return list(
            Membership._base_manager.filter(user_id=user.pk, role=Role.ADMIN).values_list("tenant_id", flat=True)
        )
