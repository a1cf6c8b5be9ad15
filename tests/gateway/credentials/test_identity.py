"""Short-lived credentials for the platform's token: OpenAI, Azure and AWS, at the wire."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.credentials import kept
from gateway.credentials.aws_identity import AwsIdentity
from gateway.credentials.entra import EntraIdentity
from gateway.credentials.identity import PlatformToken
from gateway.credentials.openai_identity import OpenAIIdentity
from gateway.errors import CredentialsUnavailable, InvalidCredentials, LimitExceeded
from gateway.limits.rates import Rates
from tests.contracts.cases import BEDROCK
from tests.gateway.credentials.conftest import Asked, Configure, KnowsKeys, keys_of
from tests.servers.token_server import FakeTokens
from tests.servers.wire import Script, failure, serving

PREFIX = "CITEDESK_TEST_IDENTITY"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(kept, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def mounted(tmp_path: Path) -> Path:
    """The platform's token, as Kubernetes mounts it."""
    file = tmp_path / "token"
    file.write_text("platform.jwt.one\n")
    return file


async def test_openai_gives_a_token_for_the_platforms_and_a_new_one_when_it_ends(
    ask: Asked, configure: Configure, clock: list[float], mounted: Path
) -> None:
    tokens = FakeTokens(lifetime=3600)
    async with serving(tokens.respond) as exchange, serving(KnowsKeys("token-1", "token-2").respond) as server:
        origin = OpenAIIdentity(PlatformToken(PREFIX, str(mounted)), "idp_1", "sa_1", url=exchange.url)
        configure(credentials=[("openai", origin)], openai_url=f"{server.url}/v1")
        assert [await ask() for _ in range(3)] == ["Yes."] * 3
        mounted.write_text("platform.jwt.two\n")  # noqa: ASYNC240  as the platform does
        clock[0] += 3600
        await ask()
        assert keys_of(server) == ["token-1"] * 3 + ["token-2"]
        assert [request.body["subject_token"] for request in exchange.requests] == [
            "platform.jwt.one",
            "platform.jwt.two",
        ]
        assert exchange.requests[0].body == {
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
            "subject_token": "platform.jwt.one",
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "identity_provider_id": "idp_1",
            "service_account_id": "sa_1",
        }


async def test_a_new_token_is_of_the_same_account_and_goes_on_in_its_limits(
    ask: Asked, configure: Configure, clock: list[float], mounted: Path
) -> None:
    tokens = FakeTokens(lifetime=3600)
    async with serving(tokens.respond) as exchange, serving(KnowsKeys("token-1", "token-2").respond) as server:
        origin = OpenAIIdentity(PlatformToken(PREFIX, str(mounted)), "idp_2", "sa_2", url=exchange.url)
        configure(
            credentials=[("openai", origin)],
            openai_url=f"{server.url}/v1",
            provider_rates=Rates(requests=1),
            limit_wait=0.1,
        )
        await ask()
        clock[0] += 3600
        with pytest.raises(LimitExceeded):
            await ask()
        assert len(server.requests) == 1


async def test_the_platforms_token_may_come_from_an_address(ask: Asked, configure: Configure) -> None:
    tokens = FakeTokens()
    given = failure(200, {"value": "actions.jwt"})
    async with (
        serving(given) as platform,
        serving(tokens.respond) as exchange,
        serving(KnowsKeys("token-1").respond) as server,
    ):
        token = PlatformToken(PREFIX, url=f"{platform.url}/token?audience=x", headers=(("Metadata", "true"),))
        configure(
            credentials=[("openai", OpenAIIdentity(token, "idp", "sa", "id", exchange.url))],
            openai_url=f"{server.url}/v1",
        )
        assert await ask() == "Yes."
        assert (platform.requests[0].path, platform.requests[0].headers["metadata"]) == ("/token?audience=x", "true")
        assert exchange.requests[0].body["subject_token"] == "actions.jwt"
        assert exchange.requests[0].body["subject_token_type"].endswith(":id_token")


@pytest.mark.threat("T12", "V10")
async def test_an_exchange_that_is_refused_is_a_clear_error_that_repeats_no_token(
    ask: Asked, configure: Configure, mounted: Path
) -> None:
    tokens = FakeTokens()
    tokens.status = 401
    async with serving(tokens.respond) as exchange, serving(KnowsKeys().respond) as server:
        origin = OpenAIIdentity(PlatformToken(PREFIX, str(mounted)), "idp", "sa", url=exchange.url)
        configure(credentials=[("openai", origin)], openai_url=f"{server.url}/v1")
        for _ in range(5):
            with pytest.raises(InvalidCredentials, match="answers 401") as caught:
                await ask()
            assert "platform.jwt" not in repr(caught.value)
        assert (len(exchange.requests), len(server.requests)) == (1, 0)


async def test_a_token_in_force_outlives_an_exchange_that_is_down(
    ask: Asked, configure: Configure, clock: list[float], mounted: Path
) -> None:
    tokens = FakeTokens(lifetime=3600)
    async with serving(tokens.respond) as exchange, serving(KnowsKeys("token-1").respond) as server:
        origin = OpenAIIdentity(PlatformToken(PREFIX, str(mounted)), "idp_3", "sa_3", url=exchange.url)
        configure(credentials=[("openai", origin)], openai_url=f"{server.url}/v1")
        await ask()
        tokens.status = 503
        clock[0] += 3300  # within the last ten minutes
        assert [await ask() for _ in range(3)] == ["Yes."] * 3


async def test_entra_id_takes_the_platforms_token_as_an_assertion(
    ask: Asked, configure: Configure, mounted: Path
) -> None:
    tokens = FakeTokens()
    async with serving(tokens.respond) as entra, serving(KnowsKeys("token-1").respond) as server:
        origin = EntraIdentity(PlatformToken(PREFIX, str(mounted)), "tenant-id", "client-id", entra.url)
        configure(
            credentials=[("azure", origin)],
            azure_url=server.url,
            azure_api="chat",
            azure_deployment="my-luna",
            azure_model="gpt-6-luna",
        )
        assert await ask(model="azure") == "Yes."
        assert keys_of(server) == ["token-1"]
        assert entra.requests[0].path == "/tenant-id/oauth2/v2.0/token"
        assert entra.requests[0].body == {
            "grant_type": "client_credentials",
            "client_id": "client-id",
            "scope": "https://cognitiveservices.azure.com/.default",
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": "platform.jwt.one",
        }


async def test_aws_gives_temporary_keys_that_sign_the_request(ask: Asked, configure: Configure, mounted: Path) -> None:
    said = Script(BEDROCK.say(["Yes."], "stop"), content_type="application/vnd.amazon.eventstream")
    async with serving(FakeTokens().respond) as sts, serving(said) as server:
        role = "arn:aws:iam::123456789012:role/citedesk"
        origin = AwsIdentity(PlatformToken(PREFIX, str(mounted)), role, "eu-central-1", url=sts.url)
        configure(credentials=[("bedrock", origin)], bedrock_region="eu-central-1", bedrock_url=server.url)
        assert await ask(model="bedrock-nova-2-lite") == "Yes."
        headers = server.requests[0].headers
        assert "Credential=ASIATEMP1/" in headers["authorization"]
        assert headers["x-amz-security-token"] == "session-1"
        asked = sts.requests[0].body
        assert (asked["Action"], asked["RoleArn"], asked["WebIdentityToken"]) == (
            "AssumeRoleWithWebIdentity",
            role,
            "platform.jwt.one",
        )
        assert "authorization" not in sts.requests[0].headers


async def test_a_token_file_that_is_gone_is_a_clear_error(ask: Asked, configure: Configure, tmp_path: Path) -> None:
    origin = OpenAIIdentity(PlatformToken(PREFIX, str(tmp_path / "none")), "idp", "sa", url="http://127.0.0.1:9")
    configure(credentials=[("openai", origin)])
    with pytest.raises(InvalidCredentials, match="_TOKEN_FILE names a file that cannot be read"):
        await ask()


async def test_an_exchange_that_is_not_there_is_a_clear_error(ask: Asked, configure: Configure, mounted: Path) -> None:
    origin = OpenAIIdentity(PlatformToken(PREFIX, str(mounted)), "idp", "sa", url="http://127.0.0.1:9/token")
    configure(credentials=[("openai", origin)])
    with pytest.raises(CredentialsUnavailable, match="OpenAI's token exchange was not reached"):
        await ask()
