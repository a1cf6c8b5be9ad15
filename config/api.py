"""The API: one assembly, one router for each resource."""

from __future__ import annotations

from ninja import NinjaAPI

from assistant.api import router as assistant
from config.problems import install
from tickets.api import router as tickets

api = NinjaAPI(title="Citedesk", version="1", docs_url="/docs/", urls_namespace="api")
install(api)
api.add_router("/t/{tenant}", assistant)
api.add_router("/t/{tenant}", tickets)
