"""Which machine is given a provider's key: the one that the operator named, and no other."""

from __future__ import annotations

import dataclasses

import pytest
from django.conf import settings

from gateway import client
from gateway.errors import GatewayError
from gateway.types import Call, Caller, Message, Options
from tests.conftest import Cast
from tests.servers.openai_server import chat
from tests.servers.wire import Script, serving


async def ask(cast: Cast, model: str) -> None:
    caller = Caller(tenant_id=cast.acme.pk, user_id=cast.alice.pk)
    await client.complete(Call(caller, (Message("user", "How?"),), Options(max_tokens=50, model=model)))


@pytest.mark.threat("S8")
async def test_a_key_goes_to_its_own_address_alone(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(Script(chat(["Yes."]))) as openai, serving(Script(chat(["Yes."]))) as own:
        conf = dataclasses.replace(
            settings.GATEWAY,
            openai_key="sk-of-openai",
            openai_url=f"{openai.url}/v1",
            openai_api="chat",
            compatible_url=f"{own.url}/v1",
            compatible_model="own",
        )
        monkeypatch.setattr(settings, "GATEWAY", conf)
        await ask(cast, "gpt-6-luna")
        await ask(cast, "compatible")
        assert [request.headers["authorization"] for request in openai.requests] == ["Bearer sk-of-openai"]
        assert len(own.requests) == 1
        assert "sk-of-openai" not in str(own.requests)


@pytest.mark.threat("S8")
async def test_a_provider_cannot_send_us_elsewhere(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(Script(chat(["Yes."]))) as elsewhere:
        moved = Script(status=307, headers={"Location": f"{elsewhere.url}/v1/chat/completions"})
        async with serving(moved) as own:
            conf = dataclasses.replace(
                settings.GATEWAY, compatible_url=f"{own.url}/v1", compatible_model="own", compatible_key="sk-own"
            )
            monkeypatch.setattr(settings, "GATEWAY", conf)
            with pytest.raises(GatewayError):
                await ask(cast, "compatible")
        assert own.requests
        assert elsewhere.requests == []
