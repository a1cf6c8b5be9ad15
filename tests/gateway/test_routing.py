"""Where calls go, by the policy in force: seen from the one entrance, against servers that speak the
providers' protocols, and from `explain_route`, which tells the same."""

from __future__ import annotations

import dataclasses
import io
import json
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Tenant
from accounts.tenancy import in_database, in_tenant, tenant_scope
from assistant.pipeline.answer import Ask, answer
from gateway import client, router
from gateway.audit.verify import verify
from gateway.breaker.state import Fault
from gateway.breaker.stores import shared
from gateway.errors import GatewayError, LimitExceeded, NoCandidate, ProviderNotAllowed, TaskOff
from gateway.limits.rates import Rates
from gateway.models import AuditRecord
from gateway.routing import policies
from gateway.routing.policies import Edit
from gateway.routing.policy import EffectivePolicy, Option, Policy, Rule, built_in, built_in_version, combined
from gateway.routing.sample import Sample, explained
from gateway.types import Call, Caller, Classification, Degraded, EmbeddingCall, Message, Options, Source, Task, Trace
from tests.conftest import Cast, TestDatabase
from tests.contracts.cases import ANTHROPIC, CHAT, Case
from tests.gateway.wired import wired
from tests.servers.wire import Script

OPENAIS, CLAUDE = "openai-chat-0", "anthropic-1"  # what `wired` names the two models
WORDS = "You can link five devices on the free plan of Larkspur."
SOURCE = Source(1, WORDS, "d", "v", "Linking devices", "", 0, len(WORDS))
Patch = pytest.MonkeyPatch
Conf = Callable[..., None]


@pytest.fixture
def caller(live_db: TestDatabase) -> Caller:
    return Caller(tenant_id=Tenant.objects.create(slug="acme", name="Acme").pk)


@pytest.fixture
def conf(monkeypatch: Patch) -> Conf:
    """Sets of the gateway's settings what is named."""

    def change(**more: Any) -> None:
        monkeypatch.setattr(settings, "GATEWAY", dataclasses.replace(settings.GATEWAY, **more))

    return change


def said(case: Case) -> Script:
    return Script(case.say(("Five.",), "stop"))


def both() -> tuple[tuple[Case, Script], tuple[Case, Script]]:
    return (CHAT, said(CHAT)), (ANTHROPIC, said(ANTHROPIC))


def asking(caller: Caller, *, classification: Classification = Classification.PUBLIC, **options: Any) -> Call:
    who = dataclasses.replace(caller, classification=classification)
    return Call(who, (Message("user", "How many?"),), Options(max_tokens=50, **options), (SOURCE,), "How many?")


def save(tenant_id: int | None, policy: Policy, **more: Any) -> int:
    with tenant_scope(*([] if tenant_id is None else [tenant_id])):
        based_on = policies.stored(tenant_id)[1]
        return policies.save(tenant_id, Edit(policy, "for a test", **{"based_on": based_on, **more}))


async def decide(caller: Caller, policy: Policy) -> None:
    await in_database(save, caller.tenant_id, policy)


def rule(*options: Option, task: Task = Task.ANSWER, weighted: bool = False) -> dict[Task, Rule]:
    return {task: Rule(options, weighted)}


async def records(caller: Caller) -> list[AuditRecord]:
    def read() -> list[AuditRecord]:
        return list(AuditRecord.objects.exclude(kind="routing").order_by("sequence"))

    return await in_tenant(caller.tenant_id, read)


async def refusal(call: Call) -> GatewayError:
    with pytest.raises(GatewayError) as raised:
        await client.complete(call)
    return raised.value


async def test_a_provider_that_is_not_allowed_is_never_called_whatever_a_call_names(
    caller: Caller, monkeypatch: Patch
) -> None:
    async with wired(monkeypatch, *both()) as (openai, anthropic):
        await decide(caller, Policy(providers=frozenset({"anthropic"})))
        assert (await client.complete(asking(caller))).text == "Five."
        assert isinstance(await refusal(asking(caller, model=OPENAIS)), ProviderNotAllowed)
        assert isinstance(await refusal(asking(caller, model="gpt-6-sol")), ProviderNotAllowed)
        with pytest.raises(ProviderNotAllowed):
            await client.embed(EmbeddingCall(caller, ("text",), model="text-embedding-3-small"))
        assert (len(openai.requests), len(anthropic.requests)) == (0, 1)
    codes = [record.error_code for record in await records(caller)]
    assert codes == ["", *["provider_not_allowed"] * 3]


async def test_the_operators_default_is_not_widened_by_a_tenant(caller: Caller, monkeypatch: Patch) -> None:
    async with wired(monkeypatch, *both()) as (openai, _anthropic):
        await decide(caller, Policy(rules=rule(Option(OPENAIS))))
        default = Policy(providers=frozenset({"anthropic"}), off=frozenset({Task.REWRITE}))
        await in_database(save, None, default)
        assert isinstance(await refusal(asking(caller, model=OPENAIS)), ProviderNotAllowed)
        assert isinstance(await refusal(asking(caller, task=Task.REWRITE)), TaskOff)
        assert openai.requests == []


async def test_a_model_outside_of_the_allowed_regions_is_not_called(caller: Caller, monkeypatch: Patch) -> None:
    async with wired(monkeypatch, *both()) as servers:
        await decide(caller, Policy(regions=frozenset({"eu"})))
        async with client.stream(asking(caller)) as stream:
            assert [event async for event in stream]
        assert (stream.trace.provider, stream.trace.degraded) == ("extractive", Degraded.NO), "it is meant so"
        assert isinstance(await refusal(asking(caller, model=CLAUDE)), ProviderNotAllowed)
        assert not any(server.requests for server in servers)


async def test_an_answer_through_the_product_obeys_the_policy(
    cast: Cast, learn: Callable[..., None], monkeypatch: Patch
) -> None:
    await in_database(learn, ("Returning a lamp", "You can return a lamp within 30 days of delivery."))
    async with wired(monkeypatch, *both()) as servers:
        await in_database(save, cast.acme.pk, Policy(off=frozenset({Task.ANSWER})))
        alice = await in_database(cast.actor, "alice")
        final = [event async for event in answer(Ask("How long do I have to return a lamp?", alice))][-1]
        assert not any(server.requests for server in servers)
    assert final.answer["model"] == "extractive"
    assert "within 30 days" in final.answer["answer"]


async def test_a_task_without_a_language_model_is_quoted_or_refused(caller: Caller, monkeypatch: Patch) -> None:
    async with wired(monkeypatch, *both()) as servers:
        await decide(caller, Policy(off=frozenset({Task.DRAFT, Task.REWRITE})))
        async with client.stream(asking(caller, task=Task.DRAFT)) as stream:
            assert [event async for event in stream]
        assert (stream.trace.provider, stream.trace.degraded) == ("extractive", Degraded.NO)
        for model in (None, CLAUDE):
            assert isinstance(await refusal(asking(caller, task=Task.REWRITE, model=model)), TaskOff)
        assert not any(server.requests for server in servers)
        await client.complete(asking(caller))
        assert len(servers[0].requests) == 1, "other tasks go on"


async def test_text_goes_only_to_candidates_of_its_classification(caller: Caller, monkeypatch: Patch) -> None:
    """Also when the call names the model: the order is for the caller to pass over, not this."""
    public = Option(OPENAIS, classifications=(Classification.PUBLIC,))
    async with wired(monkeypatch, *both()) as (openai, anthropic):
        await decide(caller, Policy(rules=rule(public, Option(CLAUDE))))
        personal = {"classification": Classification.PERSONAL}
        await client.complete(asking(caller, **personal))
        assert isinstance(await refusal(asking(caller, model=OPENAIS, **personal)), NoCandidate)
        assert (len(openai.requests), len(anthropic.requests)) == (0, 1)
        await client.complete(asking(caller))
        assert len(openai.requests) == 1


async def test_a_draw_by_weight_is_the_same_for_the_same_call(caller: Caller, monkeypatch: Patch) -> None:
    async with wired(monkeypatch, *both()):
        weighted = rule(Option(OPENAIS, weight=3), Option(CLAUDE), weighted=True)
        await decide(caller, Policy(rules=weighted))
        policy = await policies.current(caller.tenant_id)
        calls = [dataclasses.replace(asking(caller), id=uuid.UUID(int=number)) for number in range(4_000)]
        first = [router.route(call, policy, Trace())[0].id for call in calls]
        assert first == [router.route(call, policy, Trace())[0].id for call in calls]
        share = first.count(OPENAIS) / len(first)
        assert share == pytest.approx(0.75, abs=0.03)
        for call in calls[:6]:
            await client.complete(call)
            told = await in_database(told_as_json, "--task", "answer", "--call", str(call.id))
            assert told["order"][0] == (await records(caller))[-1].model


async def test_a_model_that_is_left_alone_is_tried_after_the_others(caller: Caller, monkeypatch: Patch) -> None:
    async with wired(monkeypatch, *both()) as (openai, anthropic):
        fault = Fault("quota_exhausted", at_once=True)
        await in_database(lambda: shared().change(OPENAIS, lambda found, now: found.failed(now, fault, 0, "")))
        await client.complete(asking(caller))  # this process reads that the circuit is open
        await client.complete(asking(caller))
        assert (len(openai.requests), len(anthropic.requests)) == (0, 2)
        first, second = await records(caller)
        assert [attempt["error"] for attempt in first.attempts] == ["circuit_open"]
        assert second.attempts == [{"model": OPENAIS, "error": "circuit_open"}], "it was not even tried"
        told = await in_database(told_as_json, "--task", "answer")
    assert told["order"][:2] == [CLAUDE, OPENAIS]
    assert told["candidates"][1]["code"] == "circuit_open"


async def test_the_record_says_which_policy_decided_also_when_it_refused(caller: Caller, monkeypatch: Patch) -> None:
    default = f"default {built_in_version()}"
    async with wired(monkeypatch, *both()):
        await client.complete(asking(caller))
        await decide(caller, Policy(providers=frozenset({"anthropic"})))
        await refusal(asking(caller, model=OPENAIS))
        await in_database(save, None, built_in())
        await client.complete(asking(caller))
    versions = [record.policy_version for record in await records(caller)]
    assert versions == [default, f"tenant 1, {default}", "tenant 1, default 1"]
    assert await in_database(lambda: verify(caller.tenant_id).ok)


async def test_a_limit_of_the_policy_holds_beside_those_of_the_settings(
    caller: Caller, monkeypatch: Patch, conf: Conf
) -> None:
    async with wired(monkeypatch, *both()):
        conf(tenant_rates=Rates(requests=600), limit_wait=0.2)
        await decide(caller, Policy(tenant_rates=Rates(requests=1)))
        await client.complete(asking(caller))
        with pytest.raises(LimitExceeded):
            await client.complete(asking(caller))
        await decide(caller, Policy(tenant_rates=Rates(requests=100_000)))
        await client.complete(asking(caller))


def test_a_policy_is_read_once_and_its_change_seen_by_other_processes_soon(caller: Caller, monkeypatch: Patch) -> None:
    first = policies.in_force(caller.tenant_id)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert policies.in_force(caller.tenant_id) is first
    assert len(queries) == 0
    with monkeypatch.context() as other_process:
        other_process.setattr(policies, "forget", lambda _tenant: None)  # the change is made elsewhere
        save(caller.tenant_id, Policy(off=frozenset({Task.JUDGE})))
    assert policies.in_force(caller.tenant_id) is first, "believed for a moment"
    monkeypatch.setattr(policies, "FRESH", 0.0)
    assert policies.in_force(caller.tenant_id).off == {Task.JUDGE}
    second = policies.in_force(caller.tenant_id)
    with CaptureQueriesContext(connection) as queries:
        assert policies.in_force(caller.tenant_id) is second, "the same version is not read again"
    assert len([each for each in queries if "document" in each["sql"]]) == 0


@pytest.mark.threat("T1")
def test_a_policy_of_one_tenant_is_nothing_to_another(cast: Cast) -> None:
    save(cast.acme.pk, Policy(off=frozenset({Task.ANSWER})))
    assert policies.in_force(cast.mallory_co.pk).off == frozenset()
    with tenant_scope(cast.mallory_co.pk):
        assert list(policies.history(cast.acme.pk)) == []


def told_as_json(*options: str) -> Any:
    out = io.StringIO()
    call_command("explain_route", "--tenant", "acme", *options, "--json", stdout=out)
    return json.loads(out.getvalue())


def told(*options: str) -> str:
    out = io.StringIO()
    call_command("explain_route", "--tenant", "acme", *options, stdout=out)
    return out.getvalue()


def test_small_tasks_go_to_the_small_model_of_the_same_provider_and_region(caller: Caller, conf: Conf) -> None:
    conf(answer_models=("gpt-6-sol", "bedrock-nova-2-lite-eu", "extractive"), openai_key="sk-test")
    assert told_as_json("--task", "rewrite")["order"] == ["gpt-6-luna", "bedrock-nova-2-lite-eu", "gpt-6-sol"]
    assert told_as_json("--task", "answer")["order"][:2] == ["gpt-6-sol", "bedrock-nova-2-lite-eu"]


def test_without_a_policy_the_configured_models_are_tried_in_their_order(caller: Caller, conf: Conf) -> None:
    conf(answer_models=("claude-haiku-5-5", "gpt-6-luna"))
    found = told_as_json("--task", "draft")
    assert found["order"] == ["claude-haiku-5-5", "gpt-6-luna", "extractive", "template"]
    assert [each["code"] for each in found["candidates"]] == ["taken", "taken", "last_resort", "last_resort"]
    assert found["policy_version"] == f"default {built_in_version()}"


def test_it_is_told_of_every_candidate_why_it_is_taken_or_not(caller: Caller, conf: Conf) -> None:
    conf(
        answer_models=("gpt-6-luna", "extractive"), openai_key="sk-test", anthropic_key="sk-test", mistral_key="sk-test"
    )
    candidates = (
        Option("mistral-small-4", classifications=(Classification.PUBLIC,)),
        Option("gpt-6-sol", max_tokens=500),
        Option("claude-sonnet-5-5", abilities=("images",)),
        Option("claude-haiku-4-5", max_cost=Decimal("0.001")),
        Option("claude-haiku-5-5", min_tokens=5_000),
        Option("gpt-6-luna"),
        Option("gpt-6-luna"),
        Option("@configured"),
    )
    save(caller.tenant_id, Policy(rules=rule(*candidates)))
    text = told("--task", "answer", "--classification", "personal", "--tokens", "2000", "--tools")
    for expected in (
        "mistral-small-4: it is for public text, and this is personal [classification]",
        "gpt-6-sol: it is for prompts up to 500 tokens, and this has about",
        "claude-sonnet-5-5: it is for calls with images, and this has no images [not_needed]",
        "claude-haiku-4-5: the call could cost $",
        "claude-haiku-5-5: it is for prompts from 5000 tokens",
        "1. gpt-6-luna: it meets every condition [taken]",
        "- gpt-6-luna: it is in the order already [repeated]",
        "- extractive: it cannot take tools [unsupported]",
        "(policy: tenant 1, default built-in",
    ):
        assert expected in text


def test_a_prompt_too_long_for_a_model_goes_to_one_that_reads_more(caller: Caller, conf: Conf) -> None:
    conf(answer_models=("claude-haiku-5-5", "claude-sonnet-5-5"))
    found = told_as_json("--task", "answer", "--tokens", "150000")
    assert found["order"][:2] == ["claude-sonnet-5-5", "claude-haiku-5-5"]
    assert found["candidates"][1]["code"] == "context_too_long"


def test_quoting_goes_nowhere_that_its_embedding_model_may_not(caller: Caller, conf: Conf) -> None:
    conf(answer_models=("claude-haiku-5-5", "extractive"), embedding_model="text-embedding-3-small-384")
    save(caller.tenant_id, Policy(providers=frozenset({"anthropic"})))
    found = told_as_json("--task", "answer")
    assert found["order"] == ["claude-haiku-5-5", "template"]
    assert {"model": "extractive", "code": "provider_not_allowed"}.items() <= found["candidates"][-1].items()


def test_a_candidate_whose_key_is_gone_is_passed_over(caller: Caller, conf: Conf) -> None:
    conf(answer_models=("extractive",), mistral_key="sk-test")
    save(caller.tenant_id, Policy(rules=rule(Option("mistral-small-4"), Option("@configured"))))
    conf(mistral_key="")
    found = told_as_json("--task", "answer")
    assert found["order"][0] == "extractive"
    assert {"model": "mistral-small-4", "code": "not_configured"}.items() <= found["candidates"][-1].items()


def test_what_is_refused_says_so(caller: Caller, conf: Conf) -> None:
    conf(answer_models=("extractive",))
    assert "The call is refused: no_candidate." in told("--task", "judge")
    assert told_as_json("--task", "judge")["refusal"]["code"] == "no_candidate"
    assert told_as_json("--task", "answer", "--model", "nobody")["refusal"]["code"] == "unknown_model"


@pytest.mark.parametrize("task", [task for task in Task if task != Task.EMBED], ids=str)
def test_what_is_told_is_what_the_router_takes(caller: Caller, conf: Conf, task: Task) -> None:
    conf(answer_models=("gpt-6-sol", "claude-haiku-5-5", "extractive"))
    policy = policies.in_force(caller.tenant_id)
    sample = Sample(task, tokens=3_000)
    found = explained(sample, caller.tenant_id, policy)
    assert [profile.id for profile in router.candidates(sample.call(caller.tenant_id))] == found.as_json()["order"]


def test_narrowing_leaves_what_both_allow() -> None:
    default = Policy(providers=frozenset({"openai", "mistral"}), user_rates=Rates(10, None))
    own = Policy(providers=frozenset({"openai", "gemini"}), user_rates=Rates(20, 500))
    held: EffectivePolicy = combined(default, "1", own, 4)
    assert held.providers == {"openai"}
    assert held.user_rates == Rates(10, 500)
    assert held.version == "tenant 4, default 1"
