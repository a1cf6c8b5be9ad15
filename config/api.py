"""The API: one assembly, one router for each resource."""

from __future__ import annotations

from typing import Any

from ninja import NinjaAPI
from ninja.openapi.schema import OpenAPISchema

from assistant.api import router as assistant
from config.problems import PROBLEM_RESPONSE, PROBLEM_SCHEMA, install
from knowledge.api import router as knowledge
from tickets.api import router as tickets


class CitedeskAPI(NinjaAPI):
    def get_openapi_schema(self, **kwargs: Any) -> OpenAPISchema:
        """The document, in which every operation may also end in a problem."""
        schema = super().get_openapi_schema(**kwargs)
        schema["components"]["schemas"]["Problem"] = PROBLEM_SCHEMA
        for operations in schema["paths"].values():
            for operation in operations.values():
                answers = {str(status): answer for status, answer in operation["responses"].items()}
                operation["responses"] = {**answers, "default": PROBLEM_RESPONSE}
        return schema


api = CitedeskAPI(title="Citedesk", version="1", docs_url="/docs/", urls_namespace="api")
install(api)
api.add_router("/t/{tenant}", assistant)
api.add_router("/t/{tenant}", tickets)
api.add_router("/t/{tenant}", knowledge)
