"""Forty questions about the demo help centre, written before the pipeline was tuned; ten of them
have no answer there. With the extractive provider, so no language model takes part.

`evidence` is every text of the help centre that gives the whole answer by itself. Where an answer
stands besides the article that it was taken from, somebody judged who had not seen what is cited."""

from __future__ import annotations

import asyncio
import json
import statistics
from pathlib import Path
from typing import Any

import pytest

from accounts.models import Membership, Tenant
from accounts.permissions import Actor
from accounts.tenancy import tenant_scope
from assistant.events import Final
from assistant.pipeline.answer import Ask, answer
from config import demo
from gateway import connections
from knowledge.models import DocumentVersion, Passage

QUESTIONS = [
    json.loads(line)
    for line in (Path(__file__).parent.parent / "data" / "demo_questions.jsonl").read_text().splitlines()
]

# What is reached; the aim is 25 of 30 (`docs/evaluation.md` says what stands in the way).
HELD, REFUSED = 23, 7

pytestmark = pytest.mark.slow


@pytest.fixture
def customer(live_db: object) -> Actor:
    tenant, _passwords = demo.make_tenant("demo")
    for report in demo.load(tenant, None, quiet=True):
        assert not report.failures
    with tenant_scope(tenant.pk):
        member = Membership.objects.select_related("user").get(role="customer")
    return Actor(tenant.pk, tenant.slug, member.user_id, str(member.user), member.role)


async def _final(ask: Ask) -> dict[str, Any]:
    finals = [event.answer async for event in answer(ask) if isinstance(event, Final)]
    return finals[0]


def _passages(tenant: Tenant | int, citations: list[dict[str, Any]]) -> str:
    """The text of all passages that the citations lie in; every quote must be exact."""
    found = []
    with tenant_scope(tenant):
        for each in citations:
            version = DocumentVersion.objects.get(pk=each["version"])
            assert version.text[each["start"] : each["end"]] == each["quote"]
            around = Passage.objects.filter(version=version, start__lte=each["start"], end__gte=each["end"])
            found += [passage.text for passage in around]
    return "\n".join(found)


def test_the_demo_is_answered_from_the_right_passages_and_refuses_what_it_does_not_hold(customer: Actor) -> None:
    connections.warm_up().result()
    answers = {q["id"]: asyncio.run(_final(Ask(q["question"], customer))) for q in QUESTIONS}
    passages = {key: _passages(customer.tenant_id, found["citations"]) for key, found in answers.items()}
    held = [q["id"] for q in QUESTIONS if any(text in passages[q["id"]] for text in q.get("evidence", ()))]
    refused = [q["id"] for q in QUESTIONS if not q["answerable"] and answers[q["id"]]["status"] == "abstained"]
    deltas = [found["timings_ms"]["first_delta"] for found in answers.values() if "first_delta" in found["timings_ms"]]
    quotes = sum(len(found["citations"]) for found in answers.values())
    print(f"held {len(held)} of 30, refused {len(refused)} of 10, {quotes} quotes exact", end=", ")
    print(f"first delta {statistics.median(deltas):.0f} ms at the median")
    missed = [q["id"] for q in QUESTIONS if q["answerable"] and q["id"] not in held]
    print("missed", [(key, answers[key]["status"], answers[key]["reason"]) for key in missed])
    assert len(held) >= HELD
    assert len(refused) >= REFUSED
