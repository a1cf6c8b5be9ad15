"""The audit log, to read; the people in it, to erase; and how long its texts are kept."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.core.paginator import Paginator
from django.db.models import Count, Model, QuerySet, Sum
from django.forms import ModelForm
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _

from accounts.admin_site import TenantFilter, TenantScopedAdmin
from accounts.models import Tenant
from accounts.tenancy import current_tenants
from gateway.audit import erasure, retention
from gateway.audit.keys import Unreadable
from gateway.audit.story import tell
from gateway.audit.texts import asked, who
from gateway.audit.verify import end_fault
from gateway.models import AuditContent, AuditPolicy, AuditRecord, AuditSubject

SEARCHED = 2_000


@admin.register(AuditRecord)
class AuditRecordAdmin(TenantScopedAdmin):
    """A list with its totals, and each record as a story. Nothing here can be changed."""

    list_display = ("sequence", "when", "who", "question", "purpose", "model", "verdict", "shown_cost")
    list_display_links = ("sequence", "when")
    list_filter = (
        TenantFilter,
        "kind",
        "purpose",
        "provider",
        "model",
        "verdict",
        "finish_reason",
        "error_code",
        ("actor__user", admin.RelatedOnlyFieldListFilter),
    )
    list_select_related = ("actor__user", "content", "subject")
    search_fields = ("conversation_id",)
    search_help_text = _(
        "Searches questions, prompts, sources and answers of the newest %(count)d records that the filters leave."
    ) % {"count": SEARCHED}
    date_hierarchy = "at"
    ordering = ("-at", "-sequence")
    list_per_page = 50
    show_full_result_count = False
    actions = None
    paginator = Paginator
    change_list_template = "admin/gateway/auditrecord/change_list.html"

    class Media:
        css: ClassVar = {"all": ["gateway/audit.css"]}

    @admin.display(description=_("time"), ordering="at")
    def when(self, record: AuditRecord) -> str:
        """Short, so that all columns fit on a laptop's screen; the story has the seconds."""
        return date_format(localtime(record.at), "Y-m-d H:i")

    @admin.display(description=_("asked by"), ordering="actor__user")
    def who(self, record: AuditRecord) -> str:
        return who(record)

    @admin.display(description=_("question"))
    def question(self, record: AuditRecord) -> str:
        return asked(record) or f"({record.get_kind_display()})"

    @admin.display(description=_("cost"), ordering="cost")
    def shown_cost(self, record: AuditRecord) -> str:
        return f"${record.cost:.4f}"

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Opens the newest texts and looks into them: sealed, the database cannot."""
        if not search_term:
            return queryset, False
        newest = queryset.order_by("-at").values("pk")[:SEARCHED]
        texts = AuditContent.objects.filter(record__in=newest).select_related("record__subject")
        found = [text.record_id for text in texts if search_term.lower() in _readable(text)]
        by_number = queryset.filter(conversation_id=search_term).values("pk")
        return queryset.filter(pk__in=found) | queryset.filter(pk__in=by_number), False

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        response = super().changelist_view(request, extra_context)
        if isinstance(response, TemplateResponse) and response.context_data and "cl" in response.context_data:
            found = response.context_data["cl"].queryset.order_by()
            response.context_data["totals"] = found.aggregate(count=Count("pk"), cost=Sum("cost"))
            response.context_data["chains"] = chains()
        return response

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        record = self.get_object(request, object_id)
        if record is None:
            raise Http404
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Audit record %(number)d") % {"number": record.sequence},
            "story": tell(record),
        }
        return TemplateResponse(request, "admin/gateway/auditrecord/story.html", context)


def chains() -> list[dict[str, Any]]:
    """The state of the end of each visible tenant's chain: `{tenant, fault}`."""
    tenants = Tenant.objects.filter(pk__in=current_tenants()).order_by("name")
    return [{"tenant": tenant.name, "fault": end_fault(tenant.pk)} for tenant in tenants]


def _readable(text: AuditContent) -> str:
    """All that the text says, in small letters; nothing where its key is gone."""
    try:
        said = text.data
    except Unreadable:
        return ""
    parts = [said["question"], said["answer"], *(each["content"] for each in said["messages"])]
    return "\n".join([*parts, *(each["text"] for each in said["sources"])]).lower()


@admin.register(AuditSubject)
class AuditSubjectAdmin(TenantScopedAdmin):
    """Whose words the log holds. A person can be erased from it, for good."""

    list_display = ("person", "tenant", "records", "created_at")
    list_display_links = None
    list_filter = (TenantFilter,)
    list_select_related = ("user", "tenant")
    search_fields = ("user__email", "user__name")
    search_help_text = _("Searches names and e-mail addresses.")
    ordering = ("tenant", "user__email")
    actions = ("erase",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[AuditSubject]:
        return super().get_queryset(request).exclude(user=None)

    @admin.display(description=_("person"), ordering="user__email")
    def person(self, subject: AuditSubject) -> str:
        return _name(subject)

    @admin.display(description=_("records"))
    def records(self, subject: AuditSubject) -> str:
        count = AuditRecord.objects.filter(subject=subject.pk).count()
        address = reverse("admin:gateway_auditrecord_changelist")
        return format_html('<a href="{}?subject__id__exact={}">{}</a>', address, subject.pk, count)

    @admin.action(description=_("Erase the selected people from the audit log"))
    def erase(self, request: HttpRequest, queryset: QuerySet[AuditSubject]) -> HttpResponse | None:
        """Asks once, naming what goes; then it is gone."""
        chosen = list(queryset.select_related("user", "tenant"))
        if request.POST.get("confirmed"):
            for subject in chosen:
                erasure.erase(subject.tenant_id, subject.user_id or 0, by=request.user.pk)
            messages.success(request, _("%(count)d people were erased.") % {"count": len(chosen)})
            return None
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Erase from the audit log"),
            "people": [
                {"subject": each, "name": _name(each), "plan": erasure.plan(each.tenant_id, each.user_id or 0)}
                for each in chosen
            ],
        }
        return TemplateResponse(request, "admin/gateway/auditsubject/erase.html", context)


@admin.register(AuditPolicy)
class AuditPolicyAdmin(TenantScopedAdmin):
    """How long texts are kept. Each change leaves a record."""

    list_display = ("tenant", "days")
    fields = ("tenant", "days")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return True

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return True

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return obj is not None

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        return () if obj is None else ("tenant",)

    def save_model(self, request: HttpRequest, obj: AuditPolicy, form: ModelForm[Any], change: bool) -> None:
        retention.keep_for(obj.tenant_id, obj.days, by=request.user.pk)

    def delete_model(self, request: HttpRequest, obj: AuditPolicy) -> None:
        retention.keep_for(obj.tenant_id, None, by=request.user.pk)


def _name(subject: AuditSubject) -> str:
    return f"{subject.user} ({subject.user.email})" if subject.user else str(_("an account that is gone"))
