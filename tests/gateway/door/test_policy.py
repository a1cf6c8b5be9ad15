"""What a tenant's policy keeps programs from sending."""

from __future__ import annotations

import time
from itertools import islice
from typing import Any

import anthropic
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.tenancy import in_database, tenant_scope
from gateway.door import grants
from gateway.door.inspection import MOST_NAMED
from gateway.door.repositories import blocked, rules
from gateway.door.secrets import Kind, secrets_in
from gateway.models import DoorPolicy
from tests.gateway.door.conftest import HAIKU, LUNA, Door
from tests.servers import openai_server
from tests.servers.wire import Script

SAID = Script(openai_server.responses(["Yes."]))
# Seeded fakes, put together here so that no scanner of this repository takes them for real.
GITHUB = "ghp_" + "a1B2" * 9
AWS = "AKIA" + "Q2W3E4R5T6Y7U8I9"
PEM = "-----BEGIN RSA " + "PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----"
SECRETS = [
    (Kind.PRIVATE_KEY, PEM),
    (Kind.PRIVATE_KEY, "-----BEGIN OPENSSH " + "PRIVATE KEY-----"),
    (Kind.PRIVATE_KEY, "-----BEGIN PGP " + "PRIVATE KEY BLOCK-----"),
    (Kind.CLOUD_KEY, AWS),
    (Kind.CLOUD_KEY, "aws_secret_access_key = " + "aB3/" * 10),
    (Kind.CLOUD_KEY, "AIza" + "a1B2c" * 7),
    (Kind.CLOUD_KEY, "AccountKey=" + "aB3+" * 21 + "aB=="),
    (Kind.TOKEN, GITHUB),
    (Kind.TOKEN, "glpat-" + "a1B2c" * 4),
    (Kind.TOKEN, "xoxb-" + "1234567890-abc"),
    (Kind.TOKEN, "sk_live_" + "a1B2" * 4),
    (Kind.TOKEN, "sk-proj-" + "a1B2" * 8),
    (Kind.TOKEN, "sk-ant-api03-" + "a1B2" * 8),
    (Kind.TOKEN, "npm_" + "a1B2" * 9),
    (Kind.TOKEN, "hf_" + "a1B2c" * 7),
    (Kind.TOKEN, "eyJ" + "hbGciOiJI.eyJzdWIiOiIx".replace("hbGciOiJI", "hbGciOiJIUzI1") + "MjM0NTY3.abcdefghijklmn"),
]


async def policy(door: Door, **fields: Any) -> None:
    def write() -> None:
        with tenant_scope(door.cast.acme.pk):
            DoorPolicy.objects.update_or_create(tenant=door.cast.acme, defaults=fields)

    await in_database(write)
    grants._known.clear()


@pytest.mark.parametrize(("kind", "secret"), SECRETS)
def test_secrets_are_found_by_kind_and_place(kind: Kind, secret: str) -> None:
    found = list(secrets_in([("messages[0].content", f"# settings\nkey = '{secret}'\n")], Kind))
    assert [(each.kind, each.place) for each in found][:1] == [(kind, "messages[0].content, line 2")]


@pytest.mark.parametrize(
    "text",
    [
        "AKIAIOSFODNN7EXAMPLE",
        "the task-list is sk-etchy",
        "-----BEGIN CERTIFICATE-----",
        "a commit is 2b1c6a4f9e0d8c7b6a5f4e3d2c1b0a9f8e7d6c5b",
        "class ghp_tokens: pass",
        "https://example.com/eyJ",
    ],
)
def test_what_only_looks_like_a_secret_passes(text: str) -> None:
    assert list(secrets_in([("input", text)], Kind)) == []


@pytest.mark.threat("O8")
@pytest.mark.parametrize("unit", ["eyJ-", "eyJa.", "a/", "a.", "git@", "https://a/", "sk-", "-----BEGIN A "])
def test_a_megabyte_made_to_be_slow_is_searched_at_once(unit: str) -> None:
    text = unit * (1_000_000 // len(unit))
    began = time.perf_counter()
    list(islice(secrets_in([("input", text)], Kind), MOST_NAMED))
    blocked([], [("input", text)], rules("acme/payments"))
    assert time.perf_counter() - began < 5


@pytest.mark.threat("T12")
@pytest.mark.parametrize("stream", [True, False])
async def test_a_secret_is_refused_and_repeated_nowhere(door: Door, behind: Any, stream: bool) -> None:
    server = await behind(SAID)
    asked: Any = [{"role": "user", "content": "Explain:"}, {"role": "user", "content": f"line\n{GITHUB}\n{AWS}"}]
    with pytest.raises(openai.PermissionDeniedError) as caught:
        await door.openai.chat.completions.create(model=LUNA, messages=asked, stream=stream)
    assert caught.value.code == "secret_blocked"
    assert caught.value.param == "messages[1].content"
    assert "cloud_key in messages[1].content, line 3" in caught.value.message
    assert "token in messages[1].content, line 2" in caught.value.message
    assert GITHUB[:10] not in caught.value.response.text
    assert server.requests == []
    assert await door.records() == []


async def test_a_secret_is_found_wherever_it_is_put(door: Door, behind: Any) -> None:
    server = await behind(SAID)
    said: Any = [{"role": "user", "content": "?"}]
    tool: Any = {"name": "f", "description": GITHUB, "input_schema": {"type": "object"}}
    block: Any = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1", "content": PEM}]}
    for more in ({"tools": [tool]}, {"system": GITHUB}, {"messages": [*said, block]}):
        with pytest.raises(anthropic.PermissionDeniedError):
            await door.anthropic.messages.create(**{"model": HAIKU, "max_tokens": 9, "messages": said, **more})
    with pytest.raises(openai.PermissionDeniedError):
        await door.openai.responses.create(model=LUNA, input="?", instructions=GITHUB)
    with pytest.raises(openai.PermissionDeniedError):
        await door.openai.embeddings.create(model="citedesk/embed", input=["fine", AWS])
    assert server.requests == []


async def test_a_tenant_decides_which_secrets_are_blocked(door: Door, behind: Any) -> None:
    await behind(SAID)
    await policy(door, block_tokens=False, classification="internal")
    asked: Any = [{"role": "user", "content": GITHUB}]
    raw = await door.openai.chat.completions.with_raw_response.create(model=LUNA, messages=asked)
    assert (await door.record(raw.headers["x-citedesk-audit-id"])).classification == "internal"
    with pytest.raises(openai.PermissionDeniedError):
        await door.openai.chat.completions.create(model=LUNA, messages=[{"role": "user", "content": AWS}])


BLOCKED = rules("github.com/acme/payments\nacme-labs/*\nvault\n")


@pytest.mark.parametrize(
    "text",
    [
        "origin\tgit@github.com:acme/payments.git (fetch)",
        "https://github.com/acme/payments/blob/main/app.py#L3",
        "url = https://user@github.com/ACME/Payments.git",
        "ssh://git@github.com:22/acme/payments",
        "go get github.com/acme/payments/v2",
        "/home/me/src/acme-labs/secret/main.py",
        r"C:\src\acme-labs\secret\main.py",
        "git@gitlab.example.com:team/vault.git",
    ],
)
def test_a_blocked_repository_is_recognised(text: str) -> None:
    assert blocked([], [("input", text)], BLOCKED) == "input"


@pytest.mark.parametrize(
    "text",
    ["https://github.com/acme/website", "/src/vault/main.py", "acme pays payments", "a/b/c/d", "the acme-labs team"],
)
def test_other_code_passes(text: str) -> None:
    assert blocked([], [("input", text)], BLOCKED) is None


@pytest.mark.parametrize(
    "name", ["acme-labs/x", "https://github.com/acme-labs/x.git", "VAULT", "git@github.com:acme/payments.git"]
)
def test_a_named_repository_is_recognised(name: str) -> None:
    assert blocked([name], [], BLOCKED) is not None


async def test_a_blocked_repository_is_refused_by_header_metadata_and_text(door: Door, behind: Any) -> None:
    server = await behind(SAID)
    await policy(door, blocked_repositories="acme/payments")
    said: Any = [{"role": "user", "content": "?"}]
    for more in (
        {"extra_headers": {"X-Citedesk-Repository": "github.com/acme/payments"}},
        {"metadata": {"repository": "acme/payments"}},
        {"messages": [{"role": "user", "content": "in /srv/acme/payments/app.py"}]},
    ):
        with pytest.raises(openai.PermissionDeniedError) as caught:
            await door.openai.chat.completions.create(**{"model": LUNA, "messages": said, **more})
        assert caught.value.code == "repository_blocked"
    assert server.requests == []
    other = {"X-Citedesk-Repository": "acme/website"}
    assert await door.openai.chat.completions.create(model=LUNA, messages=said, extra_headers=other)


@given(st.text(max_size=200), st.text(max_size=60))
def test_no_text_breaks_the_search(text: str, line: str) -> None:
    list(secrets_in([("input", text)], Kind))
    blocked([text], [("input", text)], rules(line))
