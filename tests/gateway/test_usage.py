"""The page of figures in Django admin."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.tenancy import tenant_scope
from gateway.audit import writer
from gateway.models import AuditRecord
from gateway.types import Call, Caller, Classification, FinishReason, Message, Options, Task, Trace, Usage
from gateway.usage.figures import Period, figures
from gateway.usage.outcomes import resolved
from tests.conftest import Cast, TestDatabase
from tests.gateway.conftest import SignIn, Tamper

PAGE = "/admin/gateway/usage/"
MANY = """
INSERT INTO gateway_auditrecord (id, tenant_id, sequence, at, kind, task, purpose, classification, conversation_id,
    provider, model, model_version, prompt_version, policy_version, inputs, sources, redaction, input_tokens,
    output_tokens, cached_tokens, reasoning_tokens, usage_estimated, cost, finish_reason, error_code, verdict, timings,
    attempts, gateways, detail, anchored, content_digest, previous_mac, mac)
SELECT gen_random_uuid(), %s, n, now() - n * interval '25 seconds', 'completion',
    (ARRAY['answer','draft','rewrite'])[1 + n %% 3], (ARRAY['answer','draft','crm'])[1 + n %% 3], 'public',
    'c-' || n / 3, 'openai',
    (ARRAY['gpt-6-luna','claude-haiku-5-5','extractive'])[1 + n %% 3], 'v', 'p', 'r', 3,
    jsonb_build_array(jsonb_build_object('document', n, 'version', n, 'start', 0, 'end', 900)), '{}', 900, 120, 0, 0,
    false, 0.001, 'stop', CASE WHEN n %% 50 = 0 THEN 'rate_limited' ELSE '' END, 'supported',
    jsonb_build_object('queue_ms', 3, 'first_token_ms', 200 + n %% 900, 'total_ms', 900 + n %% 4000, 'checked_ms', 20),
    '[]', '[]', '{}', 0, repeat('d', 64), repeat('p', 64), repeat('m', 64)
FROM generate_series(1, %s) AS n
"""


def called(cast: Cast, *, tenant: str = "acme", cost: str = "0.25", error: str = "", **more: Any) -> AuditRecord:
    """One call on the record, which took a second."""
    pk, purpose = getattr(cast, tenant).pk, more.get("purpose", "answer")
    caller = Caller(pk, purpose=purpose, classification=Classification.PUBLIC, conversation_id=more.get("chat", ""))
    call = Call(caller, (Message("user", "How?"),), Options(task=Task.ANSWER))
    trace = Trace(model=more.get("model", "gpt-6-luna"), cost=Decimal(cost), usage=Usage(900, 80), error_code=error)
    trace.reason = FinishReason.ERROR if error else FinishReason.STOP
    trace.marks = {"start": 1.0, "reserved": 1.0, "first_token": 1.2, "finished": 2.0, "closing": 2.0}
    with tenant_scope(pk):
        return writer.append(pk, writer.frozen_completion(call), trace)


def test_an_admin_sees_cost_by_feature_and_model_times_and_errors(cast: Cast, sign_in: SignIn) -> None:
    called(cast)
    called(cast, purpose="crm", model="claude-haiku-5-5", cost="1.50")
    called(cast, error="rate_limited", cost="0")
    text = sign_in("ada").get(PAGE).content.decode()
    for expected in ("$1.75", "crm · answer", "claude-haiku-5-5", "$1.50", "rate_limited", "1.00 s", "0.20 s"):
        assert expected in text
    assert text.count('<svg role="img"') == 6
    assert " style=" not in text, "the content security policy forbids inline style"


@pytest.mark.threat("T1")
def test_no_tenant_sees_anothers_numbers(cast: Cast, sign_in: SignIn) -> None:
    called(cast, cost="0.25")
    called(
        cast, tenant="mallory_co", cost="77.00", purpose="their-purpose", model="claude-haiku-5-5", error="overloaded"
    )
    client = sign_in("ada")
    text = client.get(PAGE).content.decode()
    assert "$0.2500" in text
    for foreign in ("77.00", "their-purpose", "claude-haiku-5-5", "overloaded", "Mallory"):
        assert foreign not in text
    assert client.get(PAGE, {"tenant": cast.mallory_co.pk}).status_code == 404
    assert client.get(PAGE, {"tenant": cast.acme.pk}).status_code == 200
    assert "$77.00" in sign_in("mallory").get(PAGE).content.decode()
    with tenant_scope(cast.acme.pk):
        period = Period.last(30, timezone.now().date())
        asked_for_both = figures([cast.acme.pk, cast.mallory_co.pk], period)
    assert asked_for_both.whole.cost == Decimal("0.25"), "row-level security holds below the condition"


@pytest.mark.parametrize("name", ["alice", "adam"])
def test_customers_and_agents_do_not_see_it(sign_in: SignIn, name: str) -> None:
    assert sign_in(name).get(PAGE, follow=True).status_code == 403


def test_a_period_without_calls_says_so(cast: Cast, sign_in: SignIn) -> None:
    text = sign_in("ada").get(PAGE, {"days": "7"}).content.decode()
    assert "No calls in this period." in text
    assert "No call failed." in text


def test_the_days_of_the_period_are_those_asked_for(cast: Cast, sign_in: SignIn, tamper: Tamper) -> None:
    called(cast, cost="0.25")
    old = called(cast, cost="5.00")
    tamper("UPDATE gateway_auditrecord SET at = at - interval '10 days' WHERE id = %s", old.pk)
    client = sign_in("ada")
    assert "$5.00" not in client.get(PAGE, {"days": "7"}).content.decode()
    assert "$5.00" in client.get(PAGE, {"days": "30"}).content.decode()
    assert "$5.00" in client.get(PAGE, {"days": "all of them"}).content.decode(), "30 where nothing else is meant"


def test_what_was_resolved_is_told_with_its_cost(cast: Cast) -> None:
    from assistant.models import Conversation
    from assistant.models import Message as Said
    from tickets.models import Draft, State, Ticket

    with tenant_scope(cast.acme.pk):
        chats = [Conversation.objects.create(tenant=cast.acme, user=cast.alice, title="Lamp") for _ in range(3)]
        for chat, status in zip(chats, ["answered", "answered", "abstained"], strict=True):
            Said.objects.create(tenant=cast.acme, conversation=chat, number=2, role="assistant", status=status)
        handed = Ticket.objects.create(
            tenant=cast.acme, number=1, subject="Lamp", requester=cast.alice, state=State.SOLVED, conversation=chats[1]
        )
        written = called(cast, cost="0.50", purpose="draft", chat=str(chats[1].pk))
        Draft.objects.create(tenant=cast.acme, ticket=handed, audit_id=str(written.pk))
    for chat in chats:
        called(cast, cost="0.25", chat=str(chat.pk))
    with tenant_scope(cast.acme.pk):
        found = resolved([cast.acme.pk], Period.last(7, timezone.now().date()))
    assert [(each.count, each.cost) for each in found] == [(1, Decimal("0.25")), (1, Decimal("0.75"))]


@pytest.mark.slow
def test_it_counts_a_hundred_thousand_records_at_once(
    cast: Cast, sign_in: SignIn, live_db: TestDatabase, tamper: Tamper
) -> None:
    tamper(MANY, cast.acme.pk, 100_000)
    tamper("VACUUM ANALYZE gateway_auditrecord")
    client = sign_in("ada")
    client.get(PAGE)
    with CaptureQueriesContext(connection) as queries:
        begun = time.perf_counter()
        text = client.get(PAGE).content.decode()
        took = time.perf_counter() - begun
    assert "98,000" in text or "100,000" in text
    slowest = sorted((float(each["time"]), each["sql"][:60]) for each in queries)[-4:]
    assert took < 3, slowest  # 0.3 s on an idle machine
