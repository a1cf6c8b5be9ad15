"""The operator's page of models and their circuits."""

from __future__ import annotations

import dataclasses
import re

import pytest
from django.conf import settings
from django.test import Client

from accounts.models import User
from gateway.breaker.state import Fault
from gateway.breaker.stores import shared
from tests.conftest import Cast

PAGE = "/admin/gateway/circuit/"


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
    return client


@pytest.mark.threat("V9")
def test_the_operator_sees_which_model_is_left_alone(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    conf = dataclasses.replace(settings.GATEWAY, answer_models=("gpt-6-luna", "claude-haiku-5-5", "extractive"))
    monkeypatch.setattr(settings, "GATEWAY", conf)
    fault = Fault("quota_exhausted", at_once=True)
    shared().change("gpt-6-luna", lambda state, now: state.failed(now, fault, 0, ""))
    operator = User.objects.create_superuser("root@example.com", "correct-horse-battery")
    html = client_of(operator).get(PAGE).content.decode()
    row = html[html.index("gpt-6-luna") :].split("</tr>")[0]
    assert re.search(r"left alone for 1\d s", row)
    assert "quota_exhausted" in row
    assert "asked" in html[html.index("claude-haiku-5-5") :].split("</tr>")[0]
    assert ">extractive<" not in html, "it is of this process and has no circuit"


@pytest.mark.threat("T1")
def test_a_tenants_admin_does_not(cast: Cast) -> None:
    assert client_of(cast.ada).get(PAGE).status_code == 403
    assert PAGE not in client_of(cast.ada).get("/admin/").content.decode()
    assert client_of(cast.ada).get(f"{PAGE}gpt-6-luna/change/").status_code == 404
