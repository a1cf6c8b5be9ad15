"""Sources in Django admin: where articles come from, how each is doing, and the settings of those that are
fetched. A key is entered here, and never shown again."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Count, Model, Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from accounts.admin_site import TenantFilter, TenantScopedAdmin
from knowledge.models import Source, State
from knowledge.sources import credentials, ledger
from knowledge.sources.errors import SettingsWrong
from knowledge.sources.registry import ADAPTERS, fetched, settings_of


class SourceForm(forms.ModelForm):  # type: ignore[type-arg]
    key = forms.CharField(
        label=_("key"),
        required=False,
        max_length=4000,
        strip=True,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text=_("Kept sealed and never shown again. Left empty, the one that is there stays."),
    )

    class Meta:
        model = Source
        fields = ("tenant", "name", "kind", "settings", "visibility", "interval")
        help_texts = {
            "settings": _("As JSON. docs/sources.md lists what each kind of source takes."),
            "interval": _("0: only when asked for."),
            "visibility": _("Who may read its articles; one that is stricter by itself stays so."),
        }

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        kind, settings = cleaned.get("kind", self.instance.kind), cleaned.get("settings")
        if settings is None:
            return cleaned
        if kind not in ADAPTERS:
            if settings or cleaned.get("key"):
                self.add_error("settings", _("This kind of source has no settings and no key."))
            return cleaned
        try:
            settings_of(kind, settings)
        except SettingsWrong as error:
            self.add_error("settings", error.detail)
            return cleaned
        moved = settings.get("url") != self.initial.get("settings", {}).get("url")
        if self.instance.credential is not None and moved and not cleaned.get("key"):
            self.add_error("key", _("The key was entered for another address. Enter it again."))
        return cleaned


@admin.register(Source)
class SourceAdmin(TenantScopedAdmin):
    """A source is never deleted, because answers cite its articles; it is retired."""

    form = SourceForm
    list_display = ("name", "tenant", "kind", "state", "why", "failing_since", "last_synced_at", "articles", "failed")
    list_filter = (TenantFilter, "kind", "state")
    list_select_related = ("tenant",)
    search_fields = ("name",)
    actions = ("sync_now", "retire")
    shown = (
        "state",
        "why",
        "failing_since",
        "last_synced_at",
        "next_sync_at",
        "articles",
        "failed",
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return True

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return True

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        return self.shown if obj is None else ("tenant", "kind", *self.shown)

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        settable = ("tenant", "name", "kind", "settings", "key", "visibility", "interval")
        return settable if obj is None else (*settable, *self.shown)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        failed = Q(documents__state=State.FAILED) & ~Q(documents__error_code="source_gone")
        gone = Q(documents__error_code="source_gone")
        counts = {"articles_now": Count("documents", filter=~gone), "failed_now": Count("documents", filter=failed)}
        sources: QuerySet[Any] = super().get_queryset(request).annotate(**counts)
        return sources

    def save_model(self, request: HttpRequest, obj: Source, form: Any, change: bool) -> None:
        if form.cleaned_data.get("key"):
            obj.credential = credentials.seal(obj, form.cleaned_data["key"])
        if change:
            obj.save(update_fields=["name", "settings", "visibility", "interval", "credential"])
        else:
            obj.save(force_insert=True)
        if fetched(obj):
            ledger.ask_for_sync(obj)

    @admin.display(description=_("why"))
    def why(self, source: Source) -> str:
        return f"{source.error_code}: {source.error_hint}" if source.error_code else "-"

    @admin.display(description=_("articles"), ordering="articles_now")
    def articles(self, source: Any) -> int:
        return int(source.articles_now)

    @admin.display(description=_("of these failed"), ordering="failed_now")
    def failed(self, source: Any) -> int:
        return int(source.failed_now)

    @admin.action(description=_("Synchronise the chosen sources now"), permissions=["view"])
    def sync_now(self, request: HttpRequest, chosen: QuerySet[Source]) -> None:
        asked = [source for source in chosen if fetched(source)]
        for source in asked:
            ledger.ask_for_sync(source)
        text = ngettext("%d source will be synchronised.", "%d sources will be synchronised.", len(asked))
        self.message_user(request, text % len(asked), messages.SUCCESS)

    @admin.action(description=_("Retire the chosen sources: their articles leave search"), permissions=["change"])
    def retire(self, request: HttpRequest, chosen: QuerySet[Source]) -> None:
        gone = sum(ledger.retire(source) for source in chosen)
        text = ngettext("%d article left search.", "%d articles left search.", gone)
        self.message_user(request, text % gone, messages.SUCCESS)
