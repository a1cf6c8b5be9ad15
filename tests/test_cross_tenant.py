"""Every route of the API, asked by a stranger: the list is the OpenAPI document's own."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from django.test import Client

from config.api import api
from tests.conftest import PASSWORD, Cast

ROUTES = [
    (method.upper(), path)
    for path, operations in api.get_openapi_schema()["paths"].items()
    for method in operations
    if "{tenant}" in path
]
BODY: dict[str, Any] = {"question": "What is the warranty?", "value": "up"}


def call(client: Client, method: str, path: str) -> Any:
    address = path.replace("{tenant}", "acme")
    while "{" in address:
        start, end = address.index("{"), address.index("}")
        address = address[:start] + str(uuid.uuid4()) + address[end + 1 :]
    return client.generic(method, address, json.dumps(BODY), content_type="application/json")


def test_there_are_routes_to_try() -> None:
    assert len(ROUTES) >= 7


@pytest.mark.threat("T1", "T2")
@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_a_stranger_finds_nothing(cast: Cast, method: str, path: str) -> None:
    client = Client()
    client.login(email="mallory@example.com", password=PASSWORD)
    response = call(client, method, path)
    assert (response.status_code, response.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_without_a_session_or_key_one_is_asked_to_sign_in(cast: Cast, method: str, path: str) -> None:
    response = call(Client(), method, path)
    assert (response.status_code, response.json()["code"]) == (401, "not_signed_in")
