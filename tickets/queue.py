"""The agents' queue: which tickets, in which order, and what is new in them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Subquery
from django.http import QueryDict
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts.permissions import Actor
from tickets.actions import OPEN_DRAFTS
from tickets.models import Draft, Kind, Look, State, Ticket, TicketMessage

LENGTH = 100  # tickets shown at once
SEARCH_LENGTH = 200  # characters
STATES: list[tuple[str, Promise]] = [
    ("open", _("Open")),
    ("pending", _("Pending")),
    ("solved", _("Solved")),
    ("closed", _("Closed")),
    ("all", _("All")),
]
WHOSE: list[tuple[str, Promise]] = [("all", _("Everyone's")), ("mine", _("Mine")), ("nobody", _("Unassigned"))]


@dataclass(frozen=True)
class Filter:
    """What stands in the queue's address. A search without a state looks through all states."""

    state: str = "open"
    whose: str = "all"
    search: str = ""

    @classmethod
    def of(cls, query: QueryDict) -> Filter:
        search = " ".join(query.get("q", "").replace("\x00", "").split())[:SEARCH_LENGTH]
        state, whose = query.get("state", ""), query.get("whose", "")
        return cls(
            state if state in dict(STATES) else ("all" if search else "open"),
            whose if whose in dict(WHOSE) else "all",
            search,
        )

    @property
    def query(self) -> str:
        """For addresses: starts with `?` unless all is as it is by default."""
        parts = {"state": self.state, "whose": self.whose, "q": self.search}
        changed = {key: value for key, value in parts.items() if value and (key, value) not in DEFAULTS}
        if self.search and self.state == "open":
            changed["state"] = "open"
        return f"?{urlencode(changed)}" if changed else ""


DEFAULTS = {("state", "open"), ("whose", "all")}


@dataclass(frozen=True)
class Choice:
    """One filter as a link."""

    label: Promise
    query: str
    chosen: bool
    count: int | None = None


@dataclass(frozen=True)
class Queue:
    """`tickets` carry `new` (something that this agent has not seen) and `draft_state`."""

    filter: Filter
    tickets: list[Any]
    total: int
    states: list[Choice]
    whose: list[Choice]


def queue(actor: Actor, chosen: Filter) -> Queue:
    found = matching(Ticket.objects.visible_to(actor), actor, chosen)
    per_state = dict(found.order_by().values_list("state").annotate(Count("pk")))
    per_state["all"] = sum(per_state.values())
    shown = found if chosen.state == "all" else found.filter(state=chosen.state)
    # Who has waited longest comes first; elsewhere what changed last.
    ordered = shown.order_by("changed_at" if chosen.state == State.OPEN else "-changed_at")
    return Queue(
        filter=chosen,
        tickets=list(_with_news(ordered, actor)[:LENGTH]),
        total=per_state.get(chosen.state, 0),
        states=[
            Choice(label, replace(chosen, state=key).query or "?", key == chosen.state, per_state.get(key, 0))
            for key, label in STATES
        ],
        whose=[Choice(label, replace(chosen, whose=key).query or "?", key == chosen.whose) for key, label in WHOSE],
    )


def matching(tickets: QuerySet[Any], actor: Actor, chosen: Filter) -> QuerySet[Any]:
    """Of these tickets those of the filter's person and search, in any state. The search looks only
    at messages that the actor may read."""
    if chosen.whose == "mine":
        tickets = tickets.filter(assignee_id=actor.user_id)
    elif chosen.whose == "nobody":
        tickets = tickets.filter(assignee=None)
    if not chosen.search:
        return tickets
    text = chosen.search
    said = TicketMessage.objects.visible_to(actor).filter(ticket=OuterRef("pk"), text__icontains=text)
    matches = Q(subject__icontains=text) | Q(requester__name__icontains=text) | Q(requester__email__icontains=text)
    number = text.removeprefix("#")
    if number.isascii() and number.isdigit() and len(number) < 10:
        matches |= Q(number=int(number))
    return tickets.filter(matches | Exists(said))


def _with_news(tickets: QuerySet[Any], actor: Actor) -> QuerySet[Any]:
    of_others = TicketMessage.objects.filter(ticket=OuterRef("pk")).exclude(author_id=actor.user_id)
    seen = Look.objects.filter(ticket=OuterRef("pk"), user_id=actor.user_id)
    draft = Draft.objects.filter(ticket=OuterRef("pk"), state__in=OPEN_DRAFTS).order_by("-created_at")
    annotated: QuerySet[Any] = tickets.select_related("requester", "assignee").annotate(
        last_of_others=Subquery(of_others.exclude(kind=Kind.SYSTEM).order_by("-number").values("number")[:1]),
        seen=Subquery(seen.values("seen")[:1]),
        draft_state=Subquery(draft.values("state")[:1]),
    )
    return annotated
