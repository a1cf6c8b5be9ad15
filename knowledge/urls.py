"""The pages of the knowledge base, below /t/<tenant>/knowledge/."""

from __future__ import annotations

from django.urls import path

from knowledge import views
from knowledge.pages.views import page

app_name = "knowledge"
urlpatterns = [
    path("upload/", views.upload, name="upload"),
    path("articles/<uuid:document_id>/pages/<int:number>/", page, name="page"),
]
