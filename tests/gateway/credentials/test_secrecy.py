"""Seeded keys, and every place where one could show up (T12)."""

from __future__ import annotations

import copy
import dataclasses
import json
import logging
import pickle
import traceback
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.views.debug import ExceptionReporter

from accounts.tenancy import in_tenant
from gateway import connections
from gateway.conf import GatewaySettings
from gateway.credentials.aws_identity import AwsIdentity
from gateway.credentials.files import KeyFile
from gateway.credentials.identity import PlatformToken
from gateway.credentials.openai_identity import OpenAIIdentity
from gateway.credentials.secret import HIDDEN, Credential, Secret
from gateway.credentials.source import GivenKeys, credentials
from gateway.credentials.vault import VaultKeys, VaultSettings
from gateway.errors import GatewayError
from gateway.models import AuditRecord
from gateway.profiles import completion_profile
from gateway.registry import ProviderSettings
from tests.conftest import Cast
from tests.gateway.credentials.conftest import Asked, Configure, KnowsKeys
from tests.servers.token_server import FakeTokens
from tests.servers.vault_server import FakeVault
from tests.servers.wire import serving

pytestmark = pytest.mark.threat("T12")
SEEDED = "seeded-fake-key-7f3a9c"  # shaped like no provider's, so that no pattern finds it by chance


def seeded(name: str) -> str:
    return f"{SEEDED}-{name}"


def test_no_settings_object_shows_a_secret() -> None:
    vault = VaultSettings("https://v", token=seeded("token"), secret_id=seeded("id"))
    token = PlatformToken("X", url="https://p", headers=(("Authorization", seeded("header")),))
    credential = Credential("OPENAI_API_KEY", Secret(seeded("a")), seeded("b"), Secret(seeded("c")))
    shown = [
        vault,
        token,
        credential,
        credential.secret,
        GivenKeys("OPENAI_API_KEY", seeded("d"), seeded("e")),
        VaultKeys(vault, "path", "field"),
        OpenAIIdentity(token, "idp", "sa"),
        AwsIdentity(token, "role", "eu-central-1"),
        ProviderSettings(credential=credential),
        credentials(f"{seeded('f')},{seeded('g')}", "OPENAI_API_KEY"),
    ]
    keys = {each.name: seeded("h") for each in dataclasses.fields(GatewaySettings) if each.name.endswith("_key")}
    shown.append(dataclasses.replace(settings.GATEWAY, **keys, credentials=(("openai", VaultKeys(vault, "p", "f")),)))
    for each in shown:
        assert SEEDED not in f"{each!r} {each} {[each]}", type(each)
    assert HIDDEN in repr(credential)


def test_a_secret_is_neither_pickled_nor_copied_nor_written_as_json() -> None:
    for leak in (pickle.dumps, copy.deepcopy, json.dumps):
        with pytest.raises(TypeError) as caught:
            leak(Secret(seeded("x")))
        assert SEEDED not in str(caught.value)


async def test_refused_keys_stand_in_no_log_error_traceback_or_record(
    ask: Asked, configure: Configure, caplog: pytest.LogCaptureFixture, cast: Cast
) -> None:
    caplog.set_level(logging.DEBUG)
    async with serving(KnowsKeys(seeded("good")).respond) as server:
        configure(openai_key=f"{seeded('one')},{seeded('two')}", openai_url=f"{server.url}/v1")
        for _ in range(2):  # refused, then set aside
            with pytest.raises(GatewayError) as caught:
                await ask()
            assert SEEDED not in "".join(traceback.format_exception(caught.value))
            report = ExceptionReporter(None, type(caught.value), caught.value, caught.value.__traceback__)
            page = report.get_traceback_html()  # of the developers' server: with variables
            assert SEEDED not in page, page[page.index(SEEDED) - 2000 : page.index(SEEDED) + 100]
        configure(openai_key=f"{seeded('one')},{seeded('good')}", openai_url=f"{server.url}/v1")
        await ask()
    assert "OPENAI_API_KEY, 1 of 2 is not valid at openai and is set aside" in caplog.text
    assert SEEDED not in caplog.text
    assert SEEDED not in await in_tenant(cast.acme.pk, _everything_stored)
    assert SEEDED not in await in_tenant(cast.acme.pk, _everything_recorded)


async def test_what_is_exchanged_and_read_stands_in_no_log(
    ask: Asked, configure: Configure, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.DEBUG)
    (tmp_path / "token").write_text(seeded("platform"))
    (tmp_path / "key").write_text(seeded("file"))
    vault, tokens = FakeVault({"p": {"f": seeded("vault")}}, root=seeded("root")), FakeTokens()
    async with (
        serving(vault.respond) as at,
        serving(tokens.respond) as exchange,
        serving(KnowsKeys().respond) as server,
    ):
        origins = [
            VaultKeys(VaultSettings(at.url, token=seeded("root")), "p", "f"),
            OpenAIIdentity(PlatformToken("X", str(tmp_path / "token")), "idp", "sa", url=exchange.url),
            KeyFile("OPENAI_API_KEY_FILE", str(tmp_path / "key")),
        ]
        for origin in origins:
            configure(credentials=[("openai", origin)], openai_url=f"{server.url}/v1")
            with pytest.raises(GatewayError) as caught:
                await ask()
            assert SEEDED not in "".join(traceback.format_exception(caught.value))
        assert len(server.requests) == 3
    assert SEEDED not in caplog.text
    assert "token-1" not in caplog.text


def test_the_admin_shows_no_key(cast: Cast, client: Client, configure: Configure) -> None:
    configure(openai_key=seeded("admin"), anthropic_key=seeded("admin"))
    client.force_login(cast.ada)
    for path in ("", "gateway/auditrecord/", "gateway/circuit/", "gateway/routingpolicy/"):
        assert SEEDED not in client.get(f"/admin/{path}", follow=True).content.decode(), path


async def test_an_open_adapter_shows_no_key(configure: Configure) -> None:
    configure(openai_url="http://127.0.0.1:9/v1")
    provider = connections.provider(completion_profile("gpt-6-luna"), Credential("k", Secret(seeded("adapter"))))
    assert SEEDED not in repr(provider)
    await connections.close()


def _everything_recorded() -> str:
    """The audit log as who may read it sees it: its texts are encrypted in the rows."""
    records = AuditRecord.objects.select_related("content")
    return "\n".join(f"{record.attempts} {record.content.data}" for record in records)


def _everything_stored() -> str:
    """Every row of the gateway's tables, as PostgreSQL writes it."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() AND tablename ~ '^gateway_'"
        )
        names = [row[0] for row in cursor.fetchall()]
        rows = []
        for name in names:
            cursor.execute(f'SELECT t::text FROM "{name}" t')
            rows += [row[0] for row in cursor.fetchall()]
    assert rows
    return "\n".join(rows)
