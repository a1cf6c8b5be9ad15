"""The portal's addresses, below /t/<tenant>/."""

from __future__ import annotations

from django.urls import path

from assistant import articles, views

app_name = "portal"
urlpatterns = [
    path("", views.ask_page, name="ask"),
    path("ask/", views.ask_plainly, name="ask_plainly"),
    path("theme.css", views.theme, name="theme"),
    path("c/<uuid:conversation_id>/", views.conversation_page, name="conversation"),
    path("c/<uuid:conversation_id>/person/", views.person_for_conversation, name="conversation_person"),
    path("person/", views.person, name="person"),
    path("articles/<uuid:document_id>/", articles.article, name="article"),
    path("messages/<uuid:message_id>/feedback/", views.feedback, name="feedback"),
]
