"""What an operator may set of credentials, and the sentence that stops the start otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from config.env import Env
from config.gateway import gateway_settings
from gateway.conf import GatewaySettings
from gateway.credentials.aws_identity import AwsIdentity
from gateway.credentials.entra import EntraIdentity, MachineIdentity
from gateway.credentials.files import KeyFile
from gateway.credentials.openai_identity import OpenAIIdentity
from gateway.credentials.vault import VaultKeys

VAULT = {"CITEDESK_VAULT_URL": "https://vault.example:8200", "CITEDESK_VAULT_OPENAI": "citedesk/openai#api_key"}
OPENAI = {"CITEDESK_OPENAI_IDENTITY_PROVIDER": "idp", "CITEDESK_OPENAI_IDENTITY_ACCOUNT": "sa"}
AZURE = {
    "CITEDESK_AZURE_URL": "https://name.openai.azure.com",
    "CITEDESK_AZURE_DEPLOYMENT": "d",
    "CITEDESK_AZURE_MODEL": "gpt-6-luna",
}


def read(tmp_path: Path, **environ: str) -> GatewaySettings:
    env = Env(environ=environ)
    found = gateway_settings(env, data_dir=tmp_path, redis_url="", audit_key="x" * 32)
    env.refuse_unknown()
    return found


def test_a_key_file_brings_its_provider(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("sk-one\nsk-two\n")
    conf = read(tmp_path, ANTHROPIC_API_KEY_FILE=str(tmp_path / "key"))
    assert conf.origin("anthropic") == KeyFile("ANTHROPIC_API_KEY_FILE", str(tmp_path / "key"))
    assert conf.reaches("anthropic")
    assert conf.answer_models == ("claude-haiku-5-5", "extractive")


def test_vault_brings_its_providers(tmp_path: Path) -> None:
    conf = read(tmp_path, **VAULT, CITEDESK_VAULT_AUTH="kubernetes", CITEDESK_VAULT_ROLE="citedesk")
    origin = conf.origin("openai")
    assert isinstance(origin, VaultKeys)
    assert (origin.path, origin.field, origin.vault.role) == ("citedesk/openai", "api_key", "citedesk")
    assert conf.reaches("openai")


def test_identities_are_read_for_each_provider(tmp_path: Path) -> None:
    conf = read(
        tmp_path,
        **OPENAI,
        CITEDESK_OPENAI_IDENTITY_TOKEN_FILE="/token",
        **AZURE,
        CITEDESK_AZURE_IDENTITY_TENANT="t",
        CITEDESK_AZURE_IDENTITY_CLIENT="c",
        CITEDESK_AZURE_IDENTITY_TOKEN_URL="http://169.254.169.254/token",
        CITEDESK_AZURE_IDENTITY_TOKEN_HEADERS='{"Metadata": "true"}',
        CITEDESK_BEDROCK_REGION="eu-central-1",
        CITEDESK_BEDROCK_IDENTITY_ROLE="arn:aws:iam::123456789012:role/citedesk",
        CITEDESK_BEDROCK_IDENTITY_TOKEN_FILE="/token",
    )
    kinds = {name: type(origin) for name, origin in conf.credentials}
    assert kinds == {"openai": OpenAIIdentity, "azure": EntraIdentity, "bedrock": AwsIdentity}


def test_the_machines_own_identity_is_azures(tmp_path: Path) -> None:
    assert read(tmp_path, **AZURE, CITEDESK_AZURE_IDENTITY="1").origin("azure") == MachineIdentity()


@pytest.mark.threat("T12")
@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({"OPENAI_API_KEY": "sk-hunter2,,sk-b"}, "OPENAI_API_KEY is no list of keys"),
        ({"OPENAI_API_KEY": "sk-hunter2 sk-b"}, "OPENAI_API_KEY is no list of keys"),
        ({"OPENAI_API_KEY_FILE": "/nowhere/key"}, "OPENAI_API_KEY_FILE names a file that cannot be read"),
        (
            {"OPENAI_API_KEY": "hunter2", "OPENAI_API_KEY_FILE": "KEY"},
            "OPENAI_API_KEY and OPENAI_API_KEY_FILE are both",
        ),
        ({"CITEDESK_BEDROCK_KEY_FILE": "KEY"}, "does not read id:secret"),
        ({"CITEDESK_BEDROCK_KEY_ID": "AKIA", "CITEDESK_BEDROCK_SECRET_KEY": "hunter2"}, "CITEDESK_BEDROCK_REGION must"),
        ({"CITEDESK_VAULT_OPENAI": "a#b"}, "needs CITEDESK_VAULT_URL"),
        ({**VAULT, "CITEDESK_VAULT_OPENAI": "nofield", "CITEDESK_VAULT_TOKEN": "hunter2"}, "does not read path#field"),
        ({**VAULT}, "CITEDESK_VAULT_AUTH=token needs either"),
        ({**VAULT, "CITEDESK_VAULT_AUTH": "kubernetes"}, "needs CITEDESK_VAULT_ROLE"),
        ({**VAULT, "CITEDESK_VAULT_AUTH": "ldap"}, "is not one of: token, kubernetes, approle"),
        ({**VAULT, "CITEDESK_VAULT_URL": "http://vault:8200"}, "must begin with https://"),
        ({"CITEDESK_VAULT_TOKEN": "hunter2"}, "CITEDESK_VAULT_URL must be set"),
        ({"CITEDESK_VAULT_URL": "https://v", "CITEDESK_VAULT_TOKEN": "hunter2"}, "no CITEDESK_VAULT_OPENAI"),
        ({"CITEDESK_VAULT_OPENAPI": "a#b"}, "Did you mean CITEDESK_VAULT_OPENAI"),
        ({**OPENAI}, "needs either CITEDESK_OPENAI_IDENTITY_TOKEN_FILE or"),
        ({"CITEDESK_OPENAI_IDENTITY_TOKEN_FILE": "/t"}, "CITEDESK_OPENAI_IDENTITY_PROVIDER must be set"),
        ({"CITEDESK_OPENAI_IDENTITY_TOKEN_HEADERS": "hunter2"}, "is no JSON object of texts"),
        (
            {"CITEDESK_BEDROCK_IDENTITY_ROLE": "citedesk", "CITEDESK_BEDROCK_IDENTITY_TOKEN_FILE": "/t"},
            "CITEDESK_BEDROCK_IDENTITY_ROLE does not read arn:aws",
        ),
        (
            {
                **AZURE,
                "CITEDESK_AZURE_IDENTITY": "1",
                "AZURE_OPENAI_API_KEY": "hunter2",
            },
            "AZURE_OPENAI_API_KEY and CITEDESK_AZURE_IDENTITY are both set",
        ),
    ],
)
def test_what_cannot_be_right_stops_the_start_and_repeats_no_secret(
    environ: dict[str, str], says: str, tmp_path: Path
) -> None:
    (tmp_path / "key").write_text("hunter2")
    given = {name: str(tmp_path / "key") if value == "KEY" else value for name, value in environ.items()}
    with pytest.raises(ImproperlyConfigured, match=says) as refused:
        read(tmp_path, **given)
    assert "hunter2" not in str(refused.value)
