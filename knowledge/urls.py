"""The pages of the knowledge base, below /t/<tenant>/knowledge/."""

from __future__ import annotations

from django.urls import path

from knowledge import views

app_name = "knowledge"
urlpatterns = [path("upload/", views.upload, name="upload")]
