"""Keys in Vault, as a fake of its API gives them: signing in, rotating, leases, and Vault away."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path

import pytest

from gateway.credentials import kept, vault
from gateway.credentials.vault import VaultKeys, VaultSettings
from gateway.errors import CredentialsUnavailable, InvalidCredentials
from tests.gateway.credentials.conftest import Asked, Configure, KnowsKeys, keys_of
from tests.servers.vault_server import FakeVault
from tests.servers.wire import Server, serving

PATH = "citedesk/openai"


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Moves by hand what is kept of Vault's secrets; its token's lease lives by the real clock."""
    now = [1000.0]
    monkeypatch.setattr(kept, "monotonic", lambda: now[0])
    return now


def holding(*keys: str, lease: float = 0, root: str = "") -> FakeVault:
    return FakeVault({PATH: {"api_key": ",".join(keys)}}, lease=lease, root=root)


def origin(server: Server, **settings: str) -> VaultKeys:
    return VaultKeys(dataclasses.replace(VaultSettings(server.url), **settings), PATH, "api_key")


async def test_a_key_is_read_with_a_token_and_kept(ask: Asked, configure: Configure) -> None:
    fake = holding("sk-vault", root="hvs.root")
    async with serving(fake.respond) as where, serving(KnowsKeys("sk-vault").respond) as server:
        configure(credentials=[("openai", origin(where, token="hvs.root"))], openai_url=f"{server.url}/v1")
        assert await asyncio.gather(*(ask() for _ in range(5))) == ["Yes."] * 5
        assert fake.reads == 1
        assert where.requests[0].headers["x-vault-request"] == "true"


async def test_what_is_rotated_in_vault_is_used_without_a_restart(
    ask: Asked, configure: Configure, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    fake, done = holding("sk-old", root="hvs.root"), asyncio.Event()
    loop, renew = asyncio.get_running_loop(), kept.Kept._renew

    def renew_and_tell(self: kept.Kept) -> None:
        renew(self)
        loop.call_soon_threadsafe(done.set)

    monkeypatch.setattr(kept.Kept, "_renew", renew_and_tell)
    async with serving(fake.respond) as where, serving(KnowsKeys("sk-old", "sk-new").respond) as server:
        configure(credentials=[("openai", origin(where, token="hvs.root"))], openai_url=f"{server.url}/v1")
        await ask()
        fake.secrets[PATH] = {"api_key": "sk-new"}
        clock[0] += 61
        await ask()  # with the old one: nobody waits for Vault
        await asyncio.wait_for(done.wait(), 10)
        await ask()
        assert keys_of(server) == ["sk-old", "sk-old", "sk-new"]


@pytest.mark.threat("V10")
async def test_a_key_revoked_at_the_provider_is_read_again_within_the_call(
    ask: Asked, configure: Configure, clock: list[float]
) -> None:
    fake, knows = holding("sk-old", root="hvs.root"), KnowsKeys("sk-old")
    async with serving(fake.respond) as where, serving(knows.respond) as server:
        configure(credentials=[("openai", origin(where, token="hvs.root"))], openai_url=f"{server.url}/v1")
        await ask()
        knows.valid = {"sk-new"}
        fake.secrets[PATH] = {"api_key": "sk-new"}
        clock[0] += kept.AFTER_A_REFUSAL
        assert await ask() == "Yes."
        assert keys_of(server) == ["sk-old", "sk-old", "sk-new"]


@pytest.mark.threat("V10")
async def test_vault_is_not_stormed_over_a_key_that_stays_revoked(
    ask: Asked, configure: Configure, clock: list[float]
) -> None:
    fake = holding("sk-revoked", root="hvs.root")
    async with serving(fake.respond) as where, serving(KnowsKeys().respond) as server:
        configure(credentials=[("openai", origin(where, token="hvs.root"))], openai_url=f"{server.url}/v1")
        for _ in range(10):
            with pytest.raises(InvalidCredentials):
                await ask()
        assert (len(server.requests), fake.reads) == (1, 1)


async def test_the_last_key_stays_while_vault_is_away(ask: Asked, configure: Configure, clock: list[float]) -> None:
    fake = holding("sk-vault", root="hvs.root")
    async with serving(fake.respond) as where, serving(KnowsKeys("sk-vault").respond) as server:
        configure(credentials=[("openai", origin(where, token="hvs.root"))], openai_url=f"{server.url}/v1")
        await ask()
        fake.down = True
        clock[0] += 3600
        assert [await ask() for _ in range(3)] == ["Yes."] * 3


async def test_a_vault_that_never_answered_is_a_clear_error_and_not_asked_by_each_call(
    ask: Asked, configure: Configure
) -> None:
    fake = holding("sk-vault", root="hvs.root")
    fake.down = True
    async with serving(fake.respond) as where, serving(KnowsKeys().respond) as server:
        configure(credentials=[("openai", origin(where, token="hvs.root"))], openai_url=f"{server.url}/v1")
        for _ in range(3):
            with pytest.raises(CredentialsUnavailable, match="Vault does not answer"):
                await ask()
        assert (len(where.requests), len(server.requests)) == (1, 0)


@pytest.mark.parametrize(
    ("field", "says"), [("api_key", "has no field api_key"), ("other", "cannot read")], ids=["field", "path"]
)
async def test_a_secret_that_is_not_there_is_a_clear_error(
    field: str, says: str, ask: Asked, configure: Configure
) -> None:
    fake = FakeVault({PATH: {"wrong": "sk"}} if field == "api_key" else {}, root="hvs.root")
    async with serving(fake.respond) as where:
        configure(credentials=[("openai", origin(where, token="hvs.root"))])
        with pytest.raises(InvalidCredentials, match=says):
            await ask()


async def test_kubernetes_signs_in_with_the_pods_own_token(ask: Asked, configure: Configure, tmp_path: Path) -> None:
    (tmp_path / "jwt").write_text("pod.jwt.signed\n")
    fake = holding("sk-vault")
    async with serving(fake.respond) as where, serving(KnowsKeys("sk-vault").respond) as server:
        found = origin(where, auth="kubernetes", role="citedesk", jwt_file=str(tmp_path / "jwt"))
        configure(credentials=[("openai", found)], openai_url=f"{server.url}/v1")
        assert await ask() == "Yes."
    assert fake.signed_in == [("auth/kubernetes/login", {"role": "citedesk", "jwt": "pod.jwt.signed"})]


async def test_approle_signs_in_with_its_secret_id(ask: Asked, configure: Configure, tmp_path: Path) -> None:
    (tmp_path / "id").write_text("secret-id\n")
    fake = holding("sk-vault")
    async with serving(fake.respond) as where, serving(KnowsKeys("sk-vault").respond) as server:
        found = origin(where, auth="approle", role_id="role", secret_id_file=str(tmp_path / "id"), auth_mount="apps")
        configure(credentials=[("openai", found)], openai_url=f"{server.url}/v1")
        assert await ask() == "Yes."
    assert fake.signed_in == [("auth/apps/login", {"role_id": "role", "secret_id": "secret-id"})]


async def test_a_token_that_vault_revoked_is_followed_by_a_new_sign_in(
    ask: Asked, configure: Configure, clock: list[float], tmp_path: Path
) -> None:
    (tmp_path / "jwt").write_text("pod.jwt.signed")
    fake, knows = holding("sk-old"), KnowsKeys("sk-old")
    async with serving(fake.respond) as where, serving(knows.respond) as server:
        found = origin(where, auth="kubernetes", role="citedesk", jwt_file=str(tmp_path / "jwt"))
        configure(credentials=[("openai", found)], openai_url=f"{server.url}/v1")
        await ask()
        fake.tokens.clear()
        fake.secrets[PATH], knows.valid = {"api_key": "sk-new"}, {"sk-new"}
        clock[0] += kept.AFTER_A_REFUSAL
        assert await ask() == "Yes."
        assert len(fake.signed_in) == 2


async def test_the_lease_of_vaults_token_is_renewed_while_nobody_asks(
    ask: Asked, configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vault, "RENEW_AT", 0.001)
    fake = holding("sk-vault", lease=60, root="hvs.root")
    async with serving(fake.respond) as where, serving(KnowsKeys("sk-vault").respond) as server:
        configure(credentials=[("openai", origin(where, token="hvs.root"))], openai_url=f"{server.url}/v1")
        await ask()
        assert await asyncio.to_thread(fake.renewed.wait, 10)
        assert await ask() == "Yes."
    vault._shared.cache_clear()
