"""The addresses of tickets, below /t/<tenant>/."""

from __future__ import annotations

from django.urls import path

from tickets import desk, views

app_name = "tickets"
urlpatterns = [
    path("tickets/", views.mine, name="mine"),
    path("tickets/<int:number>/", views.own_ticket, name="request"),
    path("tickets/<int:number>/solved/", views.solved, name="request_solved"),
    path("desk/", desk.desk, name="desk"),
    path("desk/<int:number>/", desk.ticket_page, name="ticket"),
    path("desk/<int:number>/news/", desk.news, name="news"),
    path("desk/<int:number>/reply/", desk.reply, name="reply"),
    path("desk/<int:number>/take-back/", desk.take_back, name="take_back"),
    path("desk/<int:number>/note/", desk.note, name="note"),
    path("desk/<int:number>/assign/", desk.assign, name="assign"),
    path("desk/<int:number>/state/", desk.state, name="state"),
    path("desk/<int:number>/draft/", desk.draft, name="draft"),
    path("desk/<int:number>/unsent/", desk.unsent, name="unsent"),
]
