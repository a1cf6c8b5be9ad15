"""Routing policies in the admin: to edit as a form, to try before saving, and to read in all versions."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.admin_site import TenantFilter, TenantScopedAdmin
from accounts.models import Tenant
from accounts.tenancy import current_tenants
from gateway.admin.routing_forms import TASKS, PolicyForm
from gateway.models import PolicyVersion, RoutingDefault, RoutingPolicy
from gateway.routing import policies
from gateway.routing.difference import difference, lines
from gateway.routing.policies import Edit, PolicyChanged
from gateway.routing.policy import ROUTED, EffectivePolicy, Policy, PolicyInvalid, built_in, built_in_version, parsed
from gateway.routing.sample import Sample, explained
from gateway.types import Task

NO_TENANT = 0  # in the calls that a preview of the operator's default is of


class PolicyVersionAdmin(TenantScopedAdmin):
    """The list is the history, newest first; a row opens as the version and what it changed."""

    list_display_links = ("version",)
    show_full_result_count = False
    actions = None
    change_list_template = "admin/gateway/routing/change_list.html"

    @admin.display(description=gettext_lazy("by"))
    def by(self, row: PolicyVersion) -> str:
        return _author(row)

    def listed(self, request: HttpRequest, owners: list[tuple[str, str, str]]) -> HttpResponse:
        """`owners` are a name, the version in force and the address of the form, each."""
        title = str(self.opts.verbose_name_plural).capitalize()
        return super().changelist_view(request, {"owners": owners, "title": title})

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        row = self.get_object(request, object_id)
        if row is None or not self.has_view_permission(request, row):
            raise Http404
        owner = getattr(row, "tenant", None)
        before = policies.history(owner and owner.pk).filter(version=row.version - 1).first()
        earlier = parsed(before.document) if before else built_in() if owner is None else Policy()
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Version %(number)d") % {"number": row.version},
            "row": row,
            "owner": owner,
            "author": _author(row),
            "changes": difference(earlier, parsed(row.document)),
            "lines": list(lines(parsed(row.document))),
            "edit": _edit_address(owner),
        }
        return TemplateResponse(request, "admin/gateway/routing/version.html", context)

    def edit(self, request: HttpRequest, owner: Tenant | None) -> HttpResponse:
        """The form; what it shows first is the newest version, or the one that `?restore=` names."""
        tenant_id = owner.pk if owner else None
        policy, number = policies.stored(tenant_id)
        restored = _restored(tenant_id, request.GET.get("restore", ""))
        if request.method != "POST":
            shown = parsed(restored.document) if restored else policy
            form = PolicyForm(shown, number, None, restores=restored.version if restored else None)
            return self._page(request, owner, form, shown)
        form = PolicyForm(policy, number, request.POST)
        if not form.is_valid():
            return self._page(request, owner, form, None)
        written = form.policy()
        if "save" in request.POST and (saved := self._saved(request, tenant_id, form, written)):
            messages.success(request, _("Version %(number)d is in force.") % {"number": saved})
            return redirect(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist")
        if "save" not in request.POST and (found := policies.faults(tenant_id, written)):
            form.refused(PolicyInvalid(found))
        return self._page(request, owner, form, written)

    def _saved(self, request: HttpRequest, tenant_id: int | None, form: PolicyForm, policy: Policy) -> int | None:
        said = form.whole.cleaned_data
        edit = Edit(policy, said["note"], said["based_on"], request.user.pk, said["restores"])
        try:
            return policies.save(tenant_id, edit)
        except PolicyInvalid as error:
            form.refused(error)
        except PolicyChanged:
            form.problems = [
                ("", _("Somebody else made a version in the meantime. Look at the history, then edit anew."))
            ]
        return None

    def _page(self, request: HttpRequest, owner: Tenant | None, form: PolicyForm, tried: Policy | None) -> HttpResponse:
        """With a preview where the form could be read."""
        found = []
        if tried is not None and (not form.sample.is_bound or form.sample.is_valid()):
            policy = policies.draft(owner.pk if owner else None, tried)
            found = [_preview(form, task, owner, policy) for task in ROUTED]
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Routing of %(tenant)s") % {"tenant": owner} if owner else _("Default routing policy"),
            "owner": owner,
            "form": form,
            "preview": found,
            "readable": form.whole.is_bound and tried is None,
        }
        status = 422 if form.problems or (form.whole.is_bound and tried is None) else 200
        return TemplateResponse(request, "admin/gateway/routing/edit.html", context, status=status)


@admin.register(RoutingPolicy)
class RoutingPolicyAdmin(PolicyVersionAdmin):
    list_display = ("version", "tenant", "created_at", "by", "note", "restores")
    list_filter = (TenantFilter,)
    list_select_related = ("tenant",)
    ordering = ("tenant__name", "-version")

    def get_urls(self) -> list[URLPattern]:
        edit = path("of/<slug:slug>/", self.admin_site.admin_view(self.edit_view), name="gateway_routingpolicy_edit")
        return [edit, *super().get_urls()]

    def edit_view(self, request: HttpRequest, slug: str) -> HttpResponse:
        owner = Tenant.objects.filter(pk__in=current_tenants(), slug=slug).first()
        if owner is None:
            raise Http404
        return self.edit(request, owner)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        tenants = Tenant.objects.filter(pk__in=current_tenants()).order_by("name")
        owners = [(each.name, policies.in_force(each.pk).version, _edit_address(each)) for each in tenants]
        return self.listed(request, owners)


@admin.register(RoutingDefault)
class RoutingDefaultAdmin(PolicyVersionAdmin):
    """For the operator alone."""

    list_display = ("version", "created_at", "by", "note", "restores")

    def has_module_permission(self, request: HttpRequest) -> bool:
        return bool(getattr(request.user, "is_superuser", False))

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self.has_module_permission(request)

    def get_urls(self) -> list[URLPattern]:
        edit = path("edit/", self.admin_site.admin_view(self.edit_view), name="gateway_routingdefault_edit")
        return [edit, *super().get_urls()]

    def edit_view(self, request: HttpRequest) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        return self.edit(request, None)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        number = policies.stored(None)[1]
        owners = [(_("every tenant"), f"default {number or built_in_version()}", _edit_address(None))]
        return self.listed(request, owners)


def _preview(form: PolicyForm, task: Task, owner: Tenant | None, policy: EffectivePolicy) -> dict[str, Any]:
    sample = form.sample.sample(task) if form.sample.is_bound else Sample(task)
    return {"label": TASKS[task], "found": explained(sample, owner.pk if owner else NO_TENANT, policy)}


def _restored(tenant_id: int | None, number: str) -> PolicyVersion | None:
    if not number:
        return None
    row = policies.history(tenant_id).filter(version=int(number)).first() if number.isdecimal() else None
    if row is None:
        raise Http404
    return row


def _edit_address(owner: Tenant | None) -> str:
    return (
        reverse("admin:gateway_routingpolicy_edit", args=[owner.slug])
        if owner
        else reverse("admin:gateway_routingdefault_edit")
    )


def _author(row: PolicyVersion) -> str:
    try:
        return str(row.author) if row.author else _("a program")
    except ObjectDoesNotExist:
        return _("an account that is gone")
