"""All addresses."""

from __future__ import annotations

from django.contrib import admin
from django.templatetags.static import static
from django.urls import URLPattern, URLResolver, include, path
from django.utils.functional import lazy
from django.views.generic import RedirectView

from assistant.views import home
from config.api import api
from config.health import live, ready
from config.metrics import metrics
from gateway.views import replay_record

icon = lazy(static, str)("icon.svg")  # asked for when there is a manifest of the static files

urlpatterns: list[URLPattern | URLResolver] = [
    path("", home, name="home"),
    path("favicon.ico", RedirectView.as_view(url=icon), name="favicon"),
    path("health", live, name="health"),
    path("ready", ready, name="ready"),
    path("metrics", metrics, name="metrics"),
    path("admin/", admin.site.urls),
    path("audit/<uuid:audit_id>/replay/", replay_record, name="audit_replay"),
    path("accounts/", include("allauth.urls")),
    path("i18n/", include("django.conf.urls.i18n")),
    path("api/", api.urls),
    path("t/<slug:tenant>/", include("assistant.urls")),
    path("t/<slug:tenant>/", include("tickets.urls")),
    path("t/<slug:tenant>/knowledge/", include("knowledge.urls")),
]
