"""Who signs in to the admin, and who tampers with the tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client

from tests.conftest import Cast, TestDatabase

Tamper = Callable[..., None]
SignIn = Callable[[str], Client]


@pytest.fixture
def sign_in(cast: Cast) -> SignIn:
    def client_of(name: str) -> Client:
        client = Client()
        client.force_login(getattr(cast, name), backend="allauth.account.auth_backends.AuthenticationBackend")
        return client

    return client_of


@pytest.fixture
def tamper(live_db: TestDatabase) -> Iterator[Tamper]:
    """Runs SQL as a superuser who has switched the triggers off."""
    with live_db.superuser() as intruder:
        intruder.execute("SET session_replication_role = replica")

        def run(statement: str, *parameters: Any) -> None:
            intruder.execute(statement.encode(), parameters)

        yield run
