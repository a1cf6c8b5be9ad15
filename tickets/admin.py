"""Tickets in Django admin, to read: what was asked, and how far replies moved from their drafts."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Avg, Count, Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from accounts.admin_site import TenantFilter, TenantScopedAdmin
from tickets.models import Draft, Kind, Ticket, TicketMessage


@admin.register(Ticket)
class TicketAdmin(TenantScopedAdmin):
    list_display = ("number", "subject", "state", "requester", "assignee", "replies", "mean_distance", "changed_at")
    list_display_links = ("number", "subject")
    list_filter = (TenantFilter, "state")
    list_select_related = ("requester", "assignee")
    search_fields = ("subject", "requester__email", "requester__name")
    date_hierarchy = "created_at"
    ordering = ("-changed_at",)
    list_per_page = 50
    actions = None

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        sent = Count("messages", filter=Q(messages__kind=Kind.AGENT))
        tickets: QuerySet[Any] = super().get_queryset(request)
        return tickets.annotate(sent=sent, moved=Avg("messages__distance"))  # type: ignore[no-any-return]

    @admin.display(description=_("replies"), ordering="sent")
    def replies(self, ticket: Any) -> int:
        return int(ticket.sent)

    @admin.display(description=_("edited on average"), ordering="moved")
    def mean_distance(self, ticket: Any) -> str:
        return "" if ticket.moved is None else f"{ticket.moved:.0%}"


@admin.register(TicketMessage)
class TicketMessageAdmin(TenantScopedAdmin):
    """Each message, and of a reply how much of its draft the agent changed."""

    list_display = ("ticket", "number", "kind", "author", "edited", "created_at")
    list_filter = (TenantFilter, "kind")
    list_select_related = ("ticket", "author")
    search_fields = ("text", "ticket__subject")
    date_hierarchy = "created_at"
    ordering = ("-created_at",)
    list_per_page = 50
    actions = None

    @admin.display(description=_("edited"), ordering="distance")
    def edited(self, message: TicketMessage) -> str:
        return "" if message.distance is None else f"{message.distance:.0%}"


@admin.register(Draft)
class DraftAdmin(TenantScopedAdmin):
    list_display = ("ticket", "state", "reason", "attempts", "audit_id", "created_at")
    list_filter = (TenantFilter, "state", "reason")
    list_select_related = ("ticket",)
    search_fields = ("text", "ticket__subject")
    ordering = ("-created_at",)
    list_per_page = 50
    actions = None
