"""The admin's page of batches, and the commands."""

from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from accounts.tenancy import in_database, in_tenant
from gateway.batch import uploading
from gateway.models import BatchItem, ItemState
from tests.gateway.batch.conftest import Bench
from tests.gateway.conftest import SignIn
from tests.servers.batch_servers import fails, says

PAGE = "/admin/gateway/batch/"
pytestmark = pytest.mark.parametrize("api", ["responses"], indirect=True)


async def run(*arguments: Any) -> tuple[list[dict[str, Any]], str]:
    out, err = StringIO(), StringIO()
    await in_database(lambda: call_command(*map(str, arguments), stdout=out, stderr=err))
    lines = out.getvalue().splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")], out.getvalue().strip()


async def test_the_page_shows_how_far_a_batch_is_and_what_it_cost(bench: Bench, sign_in: SignIn) -> None:
    bench.server.polls = ["completed"]
    bench.server.outcome = lambda _id, asked: says("yes") if asked != "bad" else fails("invalid_prompt")
    batch_id = await bench.submit(bench.call("one"), bench.call("bad"), bench.call("three"))

    def pages() -> tuple[str, str]:
        client = sign_in("ada")
        return client.get(PAGE).content.decode(), client.get(f"{PAGE}{batch_id}/change/").content.decode()

    listed, shown = await in_database(pages)
    assert "0 / 3" in listed
    assert "waiting: 3" in shown
    await bench.step()
    await bench.step()
    listed, shown = await in_database(pages)
    assert "3 / 3" in listed
    assert "failed (invalid_request): 1" in shown
    assert "succeeded: 2" in shown
    assert "batch_1" in shown
    cost = await in_tenant(bench.tenant_id, lambda: sum(item.cost for item in BatchItem.objects.all()))
    assert f"${cost:.4f}" in listed


async def test_an_admin_cancels_a_batch_of_the_own_tenant_alone(bench: Bench, sign_in: SignIn) -> None:
    batch_id = await bench.submit(bench.call("one"))
    form = {"action": "cancel", "_selected_action": str(batch_id)}
    await in_database(lambda: sign_in("mallory").post(PAGE, form))
    assert (await bench.batch(batch_id)).cancelled_at is None
    answer = await in_database(lambda: sign_in("ada").post(PAGE, form, follow=True).content.decode())
    assert "1 batch is being cancelled" in answer
    await bench.step()
    item = await in_tenant(bench.tenant_id, BatchItem.objects.get)
    assert item.state == ItemState.CANCELLED
    assert bench.server.requests == []


async def test_a_file_is_submitted_and_watched_to_its_end(bench: Bench, tmp_path: Path) -> None:
    bench.server.polls = ["completed"]
    file = tmp_path / "calls.jsonl"
    file.write_text('{"prompt": "one", "system": "Be brief."}\n\n{"prompt": "two"}\n')
    arguments = ("submit_batch", file, "--tenant", "acme", "--task", "extract", "--model", bench.model)
    _none, batch_id = await run(*arguments)
    await bench.step()
    await bench.step()
    found, _said = await run("watch_batch", batch_id, "--tenant", "acme")
    assert [(each["number"], each["text"]) for each in found] == [(0, "About one"), (1, "About two")]


async def test_a_watched_batch_needs_no_worker(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploading, "FIRST", timedelta(0))
    bench.server.polls = ["completed"]
    file = tmp_path / "calls.jsonl"
    file.write_text('{"prompt": "one"}\n')
    arguments = ("submit_batch", file, "--tenant", "acme", "--task", "extract", "--model", bench.model, "--watch")
    found, _said = await run(*arguments)
    assert [each["text"] for each in found] == ["About one"]


@pytest.mark.parametrize("line", ["no json", "[1]", '{"prompt": 3}', '{"system": "x"}', ""])
async def test_a_line_that_is_no_call_is_named(bench: Bench, tmp_path: Path, line: str) -> None:
    file = tmp_path / "calls.jsonl"
    file.write_text(line + "\n")
    with pytest.raises(CommandError, match=r"Call 1 is no|has no calls"):
        await run("submit_batch", file, "--tenant", "acme", "--task", "extract")
