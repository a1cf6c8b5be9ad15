"""Documents and their state in Django admin: what is searchable, what failed, and why. Sources stand in
`knowledge.sources.admin`."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from accounts.admin_site import TenantFilter, TenantScopedAdmin
from knowledge.models import Document, DocumentVersion, State
from knowledge.sources.admin import SourceAdmin

__all__ = ["DocumentAdmin", "SourceAdmin"]


class VersionInline(admin.TabularInline):  # type: ignore[type-arg]
    """Every version that there was: citations and audit records point into them."""

    model = DocumentVersion
    fk_name = "document"
    fields = ("number", "created_at", "characters", "warnings")
    readonly_fields = fields
    ordering = ("-number",)
    extra = 0
    can_delete = False

    @admin.display(description=_("characters"))
    def characters(self, version: DocumentVersion) -> int:
        return len(version.text)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return True

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Document)
class DocumentAdmin(TenantScopedAdmin):
    """To look at, and to index again; nothing here changes a text."""

    list_display = ("title", "state", "why", "passage_count", "visibility", "source", "updated_at")
    list_filter = (
        TenantFilter,
        "state",
        "visibility",
        "outdated",
        "error_code",
        ("source", admin.RelatedOnlyFieldListFilter),
    )
    list_select_related = ("source",)
    search_fields = ("title", "external_id", "url", "error_hint")
    search_help_text = _("Searches titles, names at the source, addresses and reasons of failure.")
    ordering = ("-updated_at",)
    list_per_page = 50
    show_full_result_count = False
    actions = ("index_again",)
    fields = (
        "title",
        "tenant",
        "source",
        "external_id",
        "url",
        "visibility",
        "state",
        "error_code",
        "error_hint",
        "passage_count",
        "created_at",
        "updated_at",
        "text",
    )
    readonly_fields = fields
    inlines = (VersionInline,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        documents: QuerySet[Any] = super().get_queryset(request).annotate(passages_now=Count("passages"))
        return documents

    @admin.display(description=_("passages"), ordering="passages_now")
    def passage_count(self, document: Any) -> int:
        return int(document.passages_now)

    @admin.display(description=_("why"))
    def why(self, document: Document) -> str:
        return document.error_hint or document.error_code or "-"

    @admin.display(description=_("text of the current version"))
    def text(self, document: Document) -> str:
        return document.current_version.text if document.current_version else "-"

    @admin.action(description=_("Index the chosen documents again"), permissions=["view"])
    def index_again(self, request: HttpRequest, chosen: QuerySet[Document]) -> None:
        """The rows wait from now on; a worker finds them even when the queue cannot be reached."""
        keys = list(chosen.exclude(state=State.INDEXING).values_list("tenant_id", "pk"))
        Document.objects.filter(pk__in=[pk for _tenant, pk in keys]).update(state=State.PENDING)
        transaction.on_commit(lambda: _queue(keys), robust=True)
        self.message_user(
            request,
            ngettext("%d document waits to be indexed.", "%d documents wait to be indexed.", len(keys)) % len(keys),
            messages.SUCCESS,
        )


def _queue(keys: list[tuple[int, Any]]) -> None:
    from knowledge.tasks import index

    for tenant_id, document_id in keys:
        index.apply_async((tenant_id, str(document_id)), retry=False)
