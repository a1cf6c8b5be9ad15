"""Several keys of one provider, revoked and busy ones, seen from the gateway's entrance."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway import client, connections
from gateway.credentials import ring
from gateway.credentials.files import KeyFile
from gateway.credentials.secret import Credential, Secret
from gateway.errors import InvalidCredentials, RateLimited
from gateway.limits.rates import Rates
from gateway.profiles import completion_profile
from gateway.types import EmbeddingCall
from tests.contracts.cases import BEDROCK, CHAT, GEMINI
from tests.gateway.credentials.conftest import Asked, Configure, KnowsKeys, keys_of
from tests.servers import bedrock_server, gemini_server
from tests.servers.wire import Request, Script, Server, failure, serving


def url(server: Server) -> str:
    return f"{server.url}/v1"


@pytest.mark.threat("V10")
async def test_a_revoked_key_is_set_aside_and_the_next_answers(ask: Asked, configure: Configure) -> None:
    async with serving(KnowsKeys("sk-second").respond) as server:
        configure(openai_key="sk-first, sk-second", openai_url=url(server))
        assert await asyncio.gather(*(ask() for _ in range(3))) == ["Yes."] * 3
        server.requests.clear()
        assert [await ask() for _ in range(5)] == ["Yes."] * 5
        assert keys_of(server) == ["sk-second"] * 5


@pytest.mark.threat("V10")
async def test_the_record_says_that_another_key_was_taken(ask: Asked, configure: Configure) -> None:
    async with serving(KnowsKeys("sk-second").respond) as server:
        configure(openai_key="sk-first,sk-second", openai_url=url(server))
        await ask()
    attempts = (await ask.record()).attempts
    assert attempts == [{"model": "gpt-6-luna", "error": "invalid_credentials", "because": "key"}]


@pytest.mark.threat("V10")
async def test_with_every_key_revoked_it_is_a_clear_error_and_no_storm(ask: Asked, configure: Configure) -> None:
    async with serving(KnowsKeys().respond) as server:
        configure(openai_key="sk-first,sk-second", openai_url=url(server))
        with pytest.raises(InvalidCredentials, match="Incorrect API key"):
            await ask()
        for _ in range(20):
            with pytest.raises(InvalidCredentials, match="set aside"):
                await ask()
        assert keys_of(server) == ["sk-first", "sk-second"]


@pytest.mark.threat("V10")
async def test_a_key_set_aside_is_tried_again_after_its_time(
    ask: Asked, configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ring, "SET_ASIDE", 0.0)
    knows = KnowsKeys()
    async with serving(knows.respond) as server:
        configure(openai_key="sk-only", openai_url=url(server))
        with pytest.raises(InvalidCredentials):
            await ask()
        knows.valid.add("sk-only")
        assert await ask() == "Yes."


@pytest.mark.threat("V1")
async def test_a_busy_key_gives_way_to_the_next_without_a_pause(ask: Asked, configure: Configure) -> None:
    knows = KnowsKeys("sk-first", "sk-second")
    async with serving(knows.respond) as server:
        knows.busy.add("sk-first")
        configure(openai_key="sk-first,sk-second", openai_url=url(server))
        assert [await ask() for _ in range(3)] == ["Yes."] * 3
        assert keys_of(server) == ["sk-first", "sk-second", "sk-second", "sk-second"]


@pytest.mark.threat("V1")
async def test_when_all_keys_are_busy_the_call_goes_on_to_the_next_model(ask: Asked, configure: Configure) -> None:
    knows = KnowsKeys()
    knows.busy |= {"sk-first", "sk-second"}
    async with serving(knows.respond) as server:
        configure(openai_key="sk-first,sk-second", openai_url=url(server))
        with pytest.raises(RateLimited):
            await ask()
        assert keys_of(server) == ["sk-first", "sk-second"]


async def test_limits_are_of_each_key_and_nobody_waits_for_one_while_another_is_ready(
    ask: Asked, configure: Configure
) -> None:
    async with serving(KnowsKeys("sk-first", "sk-second").respond) as server:
        configure(
            openai_key="sk-first,sk-second",
            openai_url=url(server),
            provider_rates=Rates(requests=1),
            limit_wait=300.0,  # so it would be waited for, were there no other
        )
        assert [await ask() for _ in range(2)] == ["Yes."] * 2
        assert keys_of(server) == ["sk-first", "sk-second"]


@pytest.mark.threat("V10")
async def test_a_refused_text_sets_no_key_aside(ask: Asked, configure: Configure) -> None:
    def respond(request: Request) -> Script:
        if request.asked == "poison":
            return failure(403, CHAT.error(403, "permission_error", "not this"))
        return Script(CHAT.say(["Yes."], "stop"))

    async with serving(respond) as server:
        configure(openai_key="sk-first,sk-second", openai_url=url(server))
        with pytest.raises(InvalidCredentials):
            await ask("poison")
        assert await ask() == "Yes."
        assert keys_of(server) == ["sk-first", "sk-second", "sk-first"]


@pytest.mark.threat("V10")
async def test_a_key_without_the_right_is_set_aside_when_another_has_it(ask: Asked, configure: Configure) -> None:
    def respond(request: Request) -> Script:
        if request.headers["authorization"].endswith("sk-first"):
            return failure(403, CHAT.error(403, "permission_error", "not yours"))
        return Script(CHAT.say(["Yes."], "stop"))

    async with serving(respond) as server:
        configure(openai_key="sk-first,sk-second", openai_url=url(server))
        assert [await ask() for _ in range(2)] == ["Yes."] * 2
        assert keys_of(server) == ["sk-first", "sk-second", "sk-second"]


@pytest.mark.threat("V10", "V9")
async def test_a_bad_key_of_gemini_is_a_clear_error_asked_once_and_shuts_nothing(
    ask: Asked, configure: Configure, tmp_path: Path
) -> None:
    def respond(request: Request) -> Script:
        if request.headers["x-goog-api-key"] != "AIza-good":
            body = gemini_server.error("API key not valid.", status=400, reason="API_KEY_INVALID")
            return failure(400, body)
        return Script(GEMINI.say(["Yes."], "stop"))

    file = tmp_path / "key"
    file.write_text("AIza-bad")
    async with serving(respond) as server:
        configure(credentials=[("gemini", KeyFile("GEMINI_API_KEY_FILE", str(file)))], gemini_url=server.url)
        for _ in range(8):
            with pytest.raises(InvalidCredentials):
                await ask(model="gemini-3.5-flash-lite")
        assert len(server.requests) == 1
        file.write_text("AIza-good\n")
        assert await ask(model="gemini-3.5-flash-lite") == "Yes."


@pytest.mark.threat("V10", "V9")
async def test_a_bad_key_of_aws_is_a_clear_error_asked_once_and_shuts_nothing(
    ask: Asked, configure: Configure, tmp_path: Path
) -> None:
    def respond(request: Request) -> Script:
        if "Credential=AKIAGOOD" not in request.headers["authorization"]:
            said = bedrock_server.error("The security token is invalid.", code="UnrecognizedClientException")
            return failure(403, said, x_amzn_ErrorType="UnrecognizedClientException")
        return Script(BEDROCK.say(["Yes."], "stop"), content_type="application/vnd.amazon.eventstream")

    file = tmp_path / "keys"
    file.write_text("AKIABAD:secret-of-it")
    async with serving(respond) as server:
        origin = KeyFile("CITEDESK_BEDROCK_KEY_FILE", str(file), paired=True)
        configure(credentials=[("bedrock", origin)], bedrock_region="eu-central-1", bedrock_url=server.url)
        for _ in range(8):
            with pytest.raises(InvalidCredentials):
                await ask(model="bedrock-nova-2-lite")
        assert len(server.requests) == 1
        file.write_text("AKIAGOOD:another-secret")
        assert await ask(model="bedrock-nova-2-lite") == "Yes."


@pytest.mark.threat("V10")
async def test_embeddings_take_the_next_key_too(ask: Asked, configure: Configure) -> None:
    def respond(request: Request) -> Script:
        if request.headers["authorization"] != "Bearer sk-second":
            return failure(401, CHAT.error(401, "invalid_api_key", "no"))
        row = {"object": "embedding", "index": 0, "embedding": [1.0] + [0.0] * 1535}
        usage = {"prompt_tokens": 2, "total_tokens": 2}
        return failure(200, {"object": "list", "data": [row], "model": "m", "usage": usage})

    async with serving(respond) as server:
        configure(openai_key="sk-first,sk-second", openai_url=url(server), embedding_model="text-embedding-3-small")
        for _ in range(2):
            vectors = await client.embed(EmbeddingCall(ask.caller, ("text",), model="text-embedding-3-small"))
            assert len(vectors[0]) == 1536
        assert keys_of(server) == ["sk-first", "sk-second", "sk-second"]


async def test_connections_of_keys_that_nobody_uses_any_more_are_closed(
    ask: Asked, configure: Configure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "IDLE", -1.0)  # at once
    file = tmp_path / "key"
    async with serving(KnowsKeys("sk-0", "sk-1", "sk-2").respond) as server:
        configure(credentials=[("openai", KeyFile("OPENAI_API_KEY_FILE", str(file)))], openai_url=url(server))
        luna, opened = completion_profile("gpt-6-luna"), []
        for number in (0, 1, 2, 0):
            file.write_text(f"sk-{number}")
            assert await ask() == "Yes."
            opened.append(connections.provider(luna, Credential("OPENAI_API_KEY_FILE", Secret(f"sk-{number}"))))
        assert len({id(each) for each in opened}) == 4, "the first was closed, and opened anew"


async def test_a_file_that_changes_is_read_again_while_the_process_runs(
    ask: Asked, configure: Configure, tmp_path: Path
) -> None:
    file = tmp_path / "key"
    file.write_text("sk-old\n")
    async with serving(KnowsKeys("sk-old", "sk-new").respond) as server:
        configure(credentials=[("openai", KeyFile("OPENAI_API_KEY_FILE", str(file)))], openai_url=url(server))
        await ask()
        mounted = tmp_path / "next"
        mounted.write_text("sk-new\n")
        mounted.replace(file)  # as Kubernetes does
        await ask()
        file.write_text("")  # half written
        await ask()
        file.unlink()
        await ask()
        assert keys_of(server) == ["sk-old", "sk-new", "sk-new", "sk-new"]
