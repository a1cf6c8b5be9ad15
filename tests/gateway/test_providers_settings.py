"""Which models answer, by what the operator set."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

import gateway
from gateway.conf import FIRST, GatewaySettings, abilities, answer_models
from gateway.errors import UnpricedModel
from gateway.metering import most
from gateway.profiles import Price, completion_profile, completion_profiles
from gateway.registry import ADAPTERS
from gateway.routing.catalogue import configured_profile
from tests.contracts.cases import call

KEYS = {"openai": False, "anthropic": False, "gemini": False, "compatible": False}


@pytest.mark.parametrize(
    ("reachable", "expected"),
    [
        ({}, ("extractive",)),
        ({"openai": True}, (FIRST["openai"], "extractive")),
        ({"anthropic": True}, (FIRST["anthropic"], "extractive")),
        ({"openai": True, "anthropic": True}, (FIRST["openai"], FIRST["anthropic"], "extractive")),
        ({"compatible": True, "openai": True}, ("compatible", "extractive")),
    ],
)
def test_a_key_brings_its_provider_and_quoting_stays_last(
    reachable: dict[str, bool], expected: tuple[str, ...]
) -> None:
    assert answer_models([], {**KEYS, **reachable}) == expected


def test_what_is_named_is_taken_as_it_is() -> None:
    assert answer_models(["extractive", "gpt-6-sol"], {**KEYS, "openai": True}) == ("extractive", "gpt-6-sol")


@pytest.mark.parametrize(
    ("named", "says"), [("gpt-9", "the profiles are"), ("gpt-6-luna", "OPENAI_API_KEY is not set")]
)
def test_a_model_that_cannot_answer_stops_the_start(named: str, says: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=says):
        answer_models([named], KEYS)


def test_an_ability_that_does_not_exist_stops_the_start() -> None:
    with pytest.raises(ImproperlyConfigured, match="CITEDESK_COMPATIBLE_ABILITIES"):
        abilities(["vision"])


def test_every_profile_has_an_adapter_and_a_price() -> None:
    assert {profile.provider for profile in completion_profiles().values()} <= set(ADAPTERS)
    assert all(profile.price is not None for profile in completion_profiles().values() if profile.id != "azure")
    assert set(FIRST.values()) <= set(completion_profiles())


@pytest.mark.threat("B5")
def test_the_operators_own_server_has_the_price_that_he_says(monkeypatch: pytest.MonkeyPatch) -> None:
    assert most(call(), completion_profile("compatible")) == 0
    price = Price(Decimal(1000), Decimal(1000), Decimal(1000))
    own: GatewaySettings = dataclasses.replace(
        settings.GATEWAY, compatible_model="qwen", compatible_context=4096, compatible_price=price
    )
    monkeypatch.setattr(settings, "GATEWAY", own)
    own = dataclasses.replace(own, compatible_abilities=abilities(["tools"]))
    monkeypatch.setattr(settings, "GATEWAY", own)
    profile = configured_profile("compatible")
    assert (profile.tools, profile.images) == (True, False)
    assert (profile.model, profile.context, profile.first_token_timeout) == ("qwen", 4096, 120)
    assert most(call(), profile) > 0
    with pytest.raises(UnpricedModel):
        most(call(), dataclasses.replace(profile, price=None))


def test_a_deployment_on_azure_can_and_costs_what_its_model_does(monkeypatch: pytest.MonkeyPatch) -> None:
    own = dataclasses.replace(settings.GATEWAY, azure_deployment="my-luna", azure_model="gpt-6-luna")
    monkeypatch.setattr(settings, "GATEWAY", own)
    profile, luna = configured_profile("azure"), completion_profile("gpt-6-luna")
    assert profile == dataclasses.replace(luna, id="azure", provider="azure", model="my-luna")


@pytest.mark.threat("T12")
def test_no_key_shows_in_the_settings() -> None:
    key = "sk-test-0123456789abcdefghij"
    keys = {each.name: key for each in dataclasses.fields(GatewaySettings) if each.name.endswith("_key")}
    conf = dataclasses.replace(settings.GATEWAY, **keys)
    assert key not in f"{conf!r} {conf}"


def test_the_sdks_are_imported_when_they_are_used() -> None:
    names = [path.stem for path in (Path(gateway.__file__).parent / "providers").glob("*.py")]
    modules = ", ".join(["gateway.registry", *(f"gateway.providers.{name}" for name in names if name != "__init__")])
    sdks = "'openai', 'anthropic', 'google.genai', 'mistralai', 'boto3', 'httpx2', 'torch', 'jsonschema_rs'"
    script = f"import sys, {modules}; assert not {{{sdks}}} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
