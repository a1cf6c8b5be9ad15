"""What a browser and a monitor ask of every site."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.conftest import PASSWORD, Cast


def test_the_icon_is_where_browsers_ask_for_it_unbidden() -> None:
    answer = Client().get("/favicon.ico")
    assert (answer.status_code, answer["Location"]) == (302, "/static/icon.svg")


@pytest.mark.parametrize("path", ["/t/acme/", "/t/acme/person/", "/t/acme/tickets/", "/t/acme/desk/"])
def test_a_page_can_be_asked_for_its_head_alone(cast: Cast, path: str) -> None:
    client = Client()
    assert client.login(email="ada@example.com", password=PASSWORD)
    answer = client.head(path)
    assert (answer.status_code, answer.content) == (200, b"")
    assert client.put(path).status_code == 405


def test_a_head_without_a_session_is_sent_to_sign_in_and_back(cast: Cast) -> None:
    assert Client().head("/t/acme/person/")["Location"] == "/accounts/login/?next=/t/acme/person/"
