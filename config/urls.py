"""All addresses."""

from __future__ import annotations

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path

from assistant.views import home
from config.api import api
from config.health import live, ready
from gateway.views import replay_record

urlpatterns: list[URLPattern | URLResolver] = [
    path("", home, name="home"),
    path("health", live, name="health"),
    path("ready", ready, name="ready"),
    path("admin/", admin.site.urls),
    path("audit/<uuid:audit_id>/replay/", replay_record, name="audit_replay"),
    path("accounts/", include("allauth.urls")),
    path("i18n/", include("django.conf.urls.i18n")),
    path("api/", api.urls),
    path("t/<slug:tenant>/", include("assistant.urls")),
    path("t/<slug:tenant>/", include("tickets.urls")),
    path("t/<slug:tenant>/knowledge/", include("knowledge.urls")),
]
