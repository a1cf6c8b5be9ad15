"""The policy in the admin: edited as a form, tried before it is saved, and read in all versions."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from accounts.models import User
from accounts.tenancy import tenant_scope
from gateway.models import RoutingDefault, RoutingPolicy
from gateway.routing import policies
from gateway.routing.policy import ROUTED, Option, Policy, Rule, built_in_version, parsed
from gateway.types import Classification, Task
from tests.conftest import Cast
from tests.gateway.conftest import SignIn
from tests.gateway.test_routing import rule, save

EDIT, LIST = "/admin/gateway/routingpolicy/of/acme/", "/admin/gateway/routingpolicy/"
DEFAULT = "/admin/gateway/routingdefault/edit/"


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    conf = dataclasses.replace(settings.GATEWAY, answer_models=("gpt-6-luna", "extractive"), openai_key="sk-test")
    monkeypatch.setattr(settings, "GATEWAY", conf)


@pytest.fixture
def operator(cast: Cast) -> Client:
    client = Client()
    root = User.objects.create_superuser("root@example.com", "correct-horse-battery")
    client.force_login(root, backend="allauth.account.auth_backends.AuthenticationBackend")
    return client


def form(based_on: int = 0, **more: Any) -> dict[str, Any]:
    """What the page sends when nothing is filled in, with `more` on top."""
    sent: dict[str, Any] = {"based_on": based_on, "note": "try it", "sample-classification": "public"}
    sent["sample-tokens"] = 1000
    for task in ROUTED:
        sent |= {f"{task.value}-choice": "inherit"}
        sent |= {f"{task.value}-candidates-{part}": 0 for part in ("TOTAL_FORMS", "INITIAL_FORMS")}
    return {**sent, **more}


def listed(task: str, choice: str, *rows: dict[str, Any]) -> dict[str, Any]:
    sent: dict[str, Any] = {f"{task}-choice": choice, f"{task}-candidates-TOTAL_FORMS": len(rows)}
    for number, row in enumerate(rows):
        sent |= {f"{task}-candidates-{number}-{name}": value for name, value in row.items()}
    return sent


def stored(cast: Cast) -> Policy:
    with tenant_scope(cast.acme.pk):
        return policies.stored(cast.acme.pk)[0]


def test_an_admin_sets_the_policy_of_their_tenant(cast: Cast, sign_in: SignIn) -> None:
    rows = listed(
        "answer",
        "weighted",
        {"model": "extractive", "ORDER": 2, "weight": 1},
        {"model": "gpt-6-luna", "ORDER": 1, "weight": 3, "classifications": ["public"], "max_tokens": 5000},
        {"model": ""},
    )
    whole = {"limit_providers": "on", "providers": ["openai"], "off": ["rewrite"], "user_requests": 30}
    answer = sign_in("ada").post(EDIT, form(**rows, **whole, save="1"), follow=True)
    assert "Version 1 is in force." in answer.content.decode()
    policy = stored(cast)
    assert policy.rules[Task.ANSWER] == Rule(
        (Option("gpt-6-luna", 3, (Classification.PUBLIC,), max_tokens=5000), Option("extractive")), weighted=True
    )
    assert (policy.providers, policy.off, policy.user_rates.requests) == ({"openai"}, {Task.REWRITE}, 30)
    assert policies.in_force(cast.acme.pk).version == f"tenant 1, default {built_in_version()}"


def test_a_preview_shows_where_each_task_would_go_and_saves_nothing(cast: Cast, sign_in: SignIn) -> None:
    sent = form(off=["draft"], preview="1", **{"sample-wants": ["tools"]})
    page = text_of(sign_in("ada").post(EDIT, sent).content.decode())
    assert "1. gpt-6-luna it meets every condition taken" in page
    assert "extractive it cannot take tools unsupported" in page
    assert "gpt-6-luna the policy lets no language model do the task draft language_model_off" in page
    with tenant_scope(cast.acme.pk):
        assert not RoutingPolicy.objects.exists()


def test_what_is_wrong_is_said_at_the_top_and_beside_the_candidate(cast: Cast, sign_in: SignIn) -> None:
    rows = listed("judge", "ordered", {"model": "mistral-small-4", "ORDER": 1}, {"model": "extractive", "ORDER": 2})
    answer = sign_in("ada").post(EDIT, form(note="", **rows, save="1"))
    page = answer.content.decode()
    assert answer.status_code == 422
    assert page.count("MISTRAL_API_KEY is not set, so it cannot be reached") == 2
    assert page.count("it only quotes, and the task judge wants words") == 3, "the preview says so as well"
    assert "say why, for those who read the history" in page
    with tenant_scope(cast.acme.pk):
        assert not RoutingPolicy.objects.exists()


def test_a_number_that_is_none_is_marked(cast: Cast, sign_in: SignIn) -> None:
    answer = sign_in("ada").post(EDIT, form(user_tokens="many", save="1"))
    assert answer.status_code == 422
    assert "Enter a whole number." in answer.content.decode()


def test_somebody_elses_version_is_not_overwritten(cast: Cast, sign_in: SignIn) -> None:
    save(cast.acme.pk, Policy())
    answer = sign_in("ada").post(EDIT, form(based_on=0, off=["draft"], save="1"))
    assert "Somebody else made a version in the meantime" in answer.content.decode()
    assert stored(cast) == Policy()


def test_an_old_version_is_read_with_what_it_changed_and_brought_back(cast: Cast, sign_in: SignIn) -> None:
    first = Policy(rules=rule(Option("gpt-6-luna")))
    save(cast.acme.pk, first, by=cast.ada.pk)
    save(cast.acme.pk, Policy(rules=rule(Option("gpt-6-sol"))), by=cast.ada.pk)
    client = sign_in("ada")
    with tenant_scope(cast.acme.pk):
        newest, oldest = policies.history(cast.acme.pk)
    page = text_of(client.get(f"{LIST}{newest.pk}/change/").content.decode())
    assert "− answer: 1. gpt-6-luna" in page
    assert "+ answer: 1. gpt-6-sol" in page
    assert "Ada" in page
    assert f"{EDIT}?restore=1" in client.get(f"{LIST}{oldest.pk}/change/").content.decode()
    shown = client.get(f"{EDIT}?restore=1").content.decode()
    assert "This is version 1. Saving it makes a new version." in shown
    assert '<option value="gpt-6-luna" selected>' in shown
    rows = listed("answer", "ordered", {"model": "gpt-6-luna", "ORDER": 1})
    client.post(EDIT, form(based_on=2, restores=1, **rows, save="1"))
    assert stored(cast) == first
    with tenant_scope(cast.acme.pk):
        assert policies.history(cast.acme.pk)[0].restores == 1


@pytest.mark.threat("T1")
def test_nobody_else_edits_a_tenants_policy(cast: Cast, sign_in: SignIn) -> None:
    for name, status in (("mallory", 404), ("adam", 403), ("alice", 403)):
        client = sign_in(name)
        assert client.get(EDIT, follow=True).status_code == status
        assert client.post(EDIT, form(off=["answer"], save="1"), follow=True).status_code == status
    assert stored(cast) == Policy()
    assert "acme" not in sign_in("mallory").get(LIST).content.decode().lower()


@pytest.mark.threat("T1")
def test_the_default_is_for_the_operator_alone(cast: Cast, sign_in: SignIn, operator: Client) -> None:
    for address in (DEFAULT, "/admin/gateway/routingdefault/"):
        assert sign_in("ada").get(address).status_code == 403
    assert sign_in("ada").post(DEFAULT, form(off=["answer"], save="1")).status_code == 403
    operator.post(DEFAULT, form(off=["judge"], save="1"))
    assert parsed(RoutingDefault.objects.get().document).off == {Task.JUDGE}
    for tenant in (cast.acme, cast.mallory_co):
        assert policies.in_force(tenant.pk).off == {Task.JUDGE}
    assert "default 1" in operator.get("/admin/gateway/routingdefault/").content.decode()
    change = operator.get(f"/admin/gateway/routingdefault/{RoutingDefault.objects.get().pk}/change/")
    assert "judge: no language model" in change.content.decode()


@pytest.mark.threat("O3")
def test_a_note_never_becomes_markup(cast: Cast, sign_in: SignIn) -> None:
    with tenant_scope(cast.acme.pk):
        policies.save(cast.acme.pk, policies.Edit(Policy(), "<script>alert(1)</script>", 0, cast.ada.pk))
        row = RoutingPolicy.objects.get()
    for address in (LIST, f"{LIST}{row.pk}/change/"):
        assert "<script>alert" not in sign_in("ada").get(address).content.decode()


def text_of(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))
