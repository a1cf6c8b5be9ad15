"""Policies are kept in all their versions, and one that makes no sense is refused in words."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.db import Error, connection

from accounts.tenancy import tenant_scope
from gateway.audit.verify import verify
from gateway.limits.rates import Rates
from gateway.models import AuditRecord, RoutingPolicy
from gateway.routing import policies
from gateway.routing.difference import difference
from gateway.routing.policies import Edit, PolicyChanged
from gateway.routing.policy import Option, Policy, PolicyInvalid, Rule, built_in, digest, document, parsed
from gateway.types import Classification, Task
from tests.conftest import Cast, TestDatabase
from tests.gateway.test_routing import rule, save

Conf = Callable[..., None]
TABLES = ("gateway_routingpolicy", "gateway_routingdefault")


@pytest.fixture
def conf(monkeypatch: pytest.MonkeyPatch) -> Conf:
    def change(**more: Any) -> None:
        monkeypatch.setattr(settings, "GATEWAY", dataclasses.replace(settings.GATEWAY, **more))

    return change


def test_every_version_stays_and_says_who_and_why(cast: Cast) -> None:
    save(cast.acme.pk, Policy(off=frozenset({Task.DRAFT})), by=cast.ada.pk)
    save(cast.acme.pk, Policy(providers=frozenset({"openai"})), by=cast.ada.pk)
    with tenant_scope(cast.acme.pk):
        second, first = policies.history(cast.acme.pk)
    assert (first.version, second.version, second.author, second.note) == (1, 2, cast.ada, "for a test")
    assert parsed(first.document).off == {Task.DRAFT}
    changes = [(line.kind, line.text) for line in difference(parsed(first.document), parsed(second.document))]
    assert changes == [("removed", "draft: no language model"), ("added", "providers: openai")]


@pytest.mark.threat("A1")
@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("statement", ["UPDATE {} SET note = ''", "DELETE FROM {}", "TRUNCATE {}"])
def test_a_version_can_be_changed_by_nobody(cast: Cast, live_db: TestDatabase, table: str, statement: str) -> None:
    save(cast.acme.pk, Policy())
    save(None, Policy())
    with tenant_scope(cast.acme.pk), pytest.raises(Error), connection.cursor() as cursor:
        cursor.execute(statement.format(table))
    with live_db.superuser() as owner, pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
        owner.execute(statement.format(table).encode())


@pytest.mark.threat("A2")
def test_the_audit_log_vouches_for_what_a_version_said(cast: Cast) -> None:
    policy = Policy(off=frozenset({Task.DRAFT}))
    save(cast.acme.pk, policy, by=cast.ada.pk)
    with tenant_scope(cast.acme.pk):
        record = AuditRecord.objects.select_related("actor").get(kind="routing")
        stored = RoutingPolicy.objects.get()
    assert record.detail == {"version": 1, "digest": digest(stored.document)}
    assert record.actor.user_id == cast.ada.pk
    assert verify(cast.acme.pk).ok


def test_whoever_edited_an_older_version_is_told(cast: Cast) -> None:
    save(cast.acme.pk, Policy())
    with pytest.raises(PolicyChanged):
        save(cast.acme.pk, Policy(off=frozenset({Task.DRAFT})), based_on=0)
    with tenant_scope(cast.acme.pk):
        assert RoutingPolicy.objects.count() == 1


def test_two_who_save_at_the_same_moment_do_not_overwrite_each_other(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(cast.acme.pk, Policy())
    with tenant_scope(cast.acme.pk), monkeypatch.context() as patch, pytest.raises(PolicyChanged):
        patch.setattr(policies, "history", lambda _tenant: RoutingPolicy.objects.none())  # the other is not seen yet
        policies.save(cast.acme.pk, Edit(Policy(), "the same", based_on=0))


@pytest.mark.threat("T7")
def test_a_policy_cannot_be_written_for_another_tenant(cast: Cast) -> None:
    with tenant_scope(cast.mallory_co.pk), pytest.raises(Error, match="row-level security"):
        policies.save(cast.acme.pk, Edit(Policy(off=frozenset(Task) - {Task.EMBED}), "mine now", based_on=0))


def test_a_policy_is_stored_as_it_was_meant() -> None:
    option = Option(
        "gpt-6-luna", 3, (Classification.PUBLIC,), ("eu",), ("tools",), 10, 20_000, max_cost=Decimal("0.0100")
    )
    policy = Policy(
        rules={Task.ANSWER: Rule((option, Option("@small")), weighted=True)},
        providers=frozenset(),
        regions=frozenset({"eu"}),
        off=frozenset({Task.REWRITE}),
        tenant_rates=Rates(60, None),
        user_rates=Rates(None, 500),
    )
    assert parsed(document(policy)) == policy
    assert parsed(document(Policy())) == Policy()
    assert document(built_in())["tasks"].keys() == {task.value for task in Task if task != Task.EMBED}


@pytest.mark.parametrize("written", [{"tasks": {"sing": {}}}, {"tasks": []}, {"limits": {"tenant": {"x": 1}}}])
def test_what_is_no_policy_is_refused(written: Any) -> None:
    with pytest.raises(PolicyInvalid):
        parsed(written)


IMPOSSIBLE = {
    "gpt-9: there is no such model": Option("gpt-9"),
    "MISTRAL_API_KEY is not set": Option("mistral-small-4"),
    "at least as many tokens as the lower bound": Option("gpt-6-luna", min_tokens=50, max_tokens=10),
    "from 300000 tokens, and the model reads 272000": Option("gpt-6-luna", min_tokens=300_000),
    "it runs in no known region, and the candidate is for eu": Option("gpt-6-luna", regions=("eu",)),
    "its provider anthropic is not among those allowed": Option("claude-haiku-5-5"),
    "with images, which the model cannot take": Option("extractive", abilities=("images",)),
    "'sight' is not one of": Option("gpt-6-luna", abilities=("sight",)),
    "no call costs so little with it": Option("gpt-6-luna", max_cost=Decimal("0.0000001")),
    "a weight is a whole number": Option("gpt-6-luna", weight=0),
}


@pytest.mark.parametrize("said", IMPOSSIBLE)
def test_a_candidate_that_no_call_can_meet_is_refused_with_the_reason(cast: Cast, conf: Conf, said: str) -> None:
    conf(openai_key="sk-test", anthropic_key="sk-test")
    policy = Policy(providers=frozenset({"openai"}), rules=rule(IMPOSSIBLE[said]))
    with pytest.raises(PolicyInvalid) as refused:
        save(cast.acme.pk, policy)
    ((place, why),) = refused.value.problems
    assert place == "answer.1"
    assert said in f"{IMPOSSIBLE[said].model}: {why}" or said in why


@pytest.mark.threat("B5")
def test_a_model_without_a_price_is_refused(cast: Cast, conf: Conf, monkeypatch: pytest.MonkeyPatch) -> None:
    from gateway import profiles

    known = profiles.completion_profiles()
    unpriced = dataclasses.replace(known["gpt-6-luna"], id="unpriced", price=None)
    monkeypatch.setattr(profiles, "completion_profiles", lambda: {**known, "unpriced": unpriced})
    conf(openai_key="sk-test")
    with pytest.raises(PolicyInvalid, match="it has no price"):
        save(cast.acme.pk, Policy(rules=rule(Option("unpriced"))))


def test_quoting_is_no_candidate_for_a_task_that_wants_words(cast: Cast) -> None:
    with pytest.raises(PolicyInvalid, match="it only quotes"):
        save(cast.acme.pk, Policy(rules=rule(Option("extractive"), task=Task.REWRITE)))


def test_other_nonsense_is_refused_too(cast: Cast) -> None:
    save(None, Policy(providers=frozenset({"openai"})))
    policy = Policy(
        rules={Task.ANSWER: Rule(())}, providers=frozenset({"gemini", "acme-ai"}), tenant_rates=Rates(0, None)
    )
    with pytest.raises(PolicyInvalid) as refused:
        save(cast.acme.pk, policy)
    assert [place for place, _said in refused.value.problems] == [
        "providers",
        "limits.tenant.requests",
        "providers",
        "answer",
    ]
    with tenant_scope(cast.acme.pk), pytest.raises(PolicyInvalid, match="say why"):
        policies.save(cast.acme.pk, Edit(Policy(), "  ", based_on=0))
