"""Where each provider's credentials come from, read from the environment."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

from config.env import Env
from gateway.conf import KEYS
from gateway.credentials.aws_identity import AwsIdentity
from gateway.credentials.entra import EntraIdentity, MachineIdentity
from gateway.credentials.files import KeyFile, read_keys
from gateway.credentials.identity import PlatformToken
from gateway.credentials.openai_identity import OpenAIIdentity
from gateway.credentials.source import Origin, credentials
from gateway.credentials.vault import KUBERNETES_TOKEN, VaultKeys, VaultSettings

PAIRED = {"bedrock"}  # whose keys have an id and a secret
SECRET = re.compile(r"([\w.-]+(?:/[\w.-]+)*)#([\w.-]+)", re.ASCII)
NAME = re.compile(r"[\w.-]+", re.ASCII)
MOUNT = re.compile(r"[\w.-]+(?:/[\w.-]+)*", re.ASCII)
ROLE = re.compile(r"arn:aws[\w-]*:iam::\d{12}:role/[\w+=,.@/-]+", re.ASCII)
SESSION = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)
AUTH = ("token", "kubernetes", "approle")


def given_keys(env: Env, variable: str) -> str:
    """One key, or several separated by commas."""
    text = env.text(variable)
    if text:
        _spoken(lambda: credentials(text, variable))
    return text


def origins(env: Env, given: dict[str, str]) -> tuple[tuple[str, Origin], ...]:
    """Those of the providers whose keys are not `given`. Raises `ImproperlyConfigured` where one has two."""
    vault = _vault(env)
    found = []
    for provider, variable in KEYS.items():
        named = {
            f"{variable}_ID" if provider in PAIRED else variable: given[provider],
            f"{variable}_FILE": _file(env, provider, f"{variable}_FILE"),
            f"CITEDESK_VAULT_{provider.upper()}": _in_vault(env, provider, vault),
            **_identity(env, provider),
        }
        used = {name: value for name, value in named.items() if value}
        if len(used) > 1:
            raise ImproperlyConfigured(f"{' and '.join(used)} are both set: a provider's keys have one origin.")
        found += [(provider, value) for value in used.values() if not isinstance(value, str)]
    if vault and not any(isinstance(origin, VaultKeys) for _provider, origin in found):
        raise ImproperlyConfigured("CITEDESK_VAULT_URL is set, but no CITEDESK_VAULT_OPENAI or another that is read.")
    return tuple(found)


def _file(env: Env, provider: str, variable: str) -> Origin | None:
    path = env.text(variable)
    if not path:
        return None
    file = KeyFile(variable, path, paired=provider in PAIRED)
    _spoken(lambda: read_keys(file))
    return file


def _in_vault(env: Env, provider: str, vault: VaultSettings | None) -> Origin | None:
    variable = f"CITEDESK_VAULT_{provider.upper()}"
    where = env.text(variable)
    if not where:
        return None
    if vault is None:
        raise ImproperlyConfigured(f"{variable} needs CITEDESK_VAULT_URL.")
    named = SECRET.fullmatch(where)
    if not named:
        raise ImproperlyConfigured(f"{variable}={where!r} does not read path#field, such as citedesk/openai#api_key.")
    return VaultKeys(vault, named[1], named[2], paired=provider in PAIRED)


def _vault(env: Env) -> VaultSettings | None:
    settings = VaultSettings(
        url=_tls(env, "CITEDESK_VAULT_URL"),
        auth=env.choice("CITEDESK_VAULT_AUTH", "token", AUTH),
        auth_mount=_word(env, "CITEDESK_VAULT_AUTH_MOUNT", like=MOUNT),
        namespace=env.text("CITEDESK_VAULT_NAMESPACE"),
        mount=_word(env, "CITEDESK_VAULT_MOUNT", "secret", like=MOUNT),
        token=env.text("CITEDESK_VAULT_TOKEN"),
        token_file=env.text("CITEDESK_VAULT_TOKEN_FILE"),
        role=env.text("CITEDESK_VAULT_ROLE"),
        jwt_file=env.text("CITEDESK_VAULT_JWT_FILE", KUBERNETES_TOKEN),
        role_id=env.text("CITEDESK_VAULT_ROLE_ID"),
        secret_id=env.text("CITEDESK_VAULT_SECRET_ID"),
        secret_id_file=env.text("CITEDESK_VAULT_SECRET_ID_FILE"),
        ca_file=_existing(env, "CITEDESK_VAULT_CA_FILE"),
        refresh=float(env.integer("CITEDESK_VAULT_REFRESH", 60, low=1, high=86400)),
    )
    if not settings.url:
        if settings != VaultSettings(url=""):
            raise ImproperlyConfigured("CITEDESK_VAULT_URL must be set, as something else of CITEDESK_VAULT_… is.")
        return None
    proofs = {
        "token": bool(settings.token) != bool(settings.token_file),
        "kubernetes": bool(settings.role),
        "approle": bool(settings.role_id) and bool(settings.secret_id) != bool(settings.secret_id_file),
    }
    wanted = {
        "token": "either CITEDESK_VAULT_TOKEN or CITEDESK_VAULT_TOKEN_FILE",
        "kubernetes": "CITEDESK_VAULT_ROLE",
        "approle": "CITEDESK_VAULT_ROLE_ID and either CITEDESK_VAULT_SECRET_ID or CITEDESK_VAULT_SECRET_ID_FILE",
    }
    if not proofs[settings.auth]:
        raise ImproperlyConfigured(f"CITEDESK_VAULT_AUTH={settings.auth} needs {wanted[settings.auth]}.")
    return settings


def _identity(env: Env, provider: str) -> dict[str, Origin | None]:
    match provider:
        case "openai":
            return {"CITEDESK_OPENAI_IDENTITY_…": _openai(env)}
        case "azure":
            machine = env.boolean("CITEDESK_AZURE_IDENTITY", False)
            return {
                "CITEDESK_AZURE_IDENTITY": MachineIdentity() if machine else None,
                "CITEDESK_AZURE_IDENTITY_…": _entra(env),
            }
        case "bedrock":
            return {"CITEDESK_BEDROCK_IDENTITY_…": _aws(env)}
        case _:
            return {}


def _openai(env: Env) -> Origin | None:
    prefix = "CITEDESK_OPENAI_IDENTITY"
    provider, account = env.text(f"{prefix}_PROVIDER"), env.text(f"{prefix}_ACCOUNT")
    kind, url = env.choice(f"{prefix}_TOKEN_KIND", "jwt", ("jwt", "id")), _tls(env, f"{prefix}_URL")
    token = _token(env, prefix, {f"{prefix}_PROVIDER": provider, f"{prefix}_ACCOUNT": account}, url)
    return OpenAIIdentity(token, provider, account, kind, url) if token else None


def _entra(env: Env) -> Origin | None:
    prefix = "CITEDESK_AZURE_IDENTITY"
    tenant, client = _word(env, f"{prefix}_TENANT"), _word(env, f"{prefix}_CLIENT")
    url = _tls(env, f"{prefix}_URL")
    token = _token(env, prefix, {f"{prefix}_TENANT": tenant, f"{prefix}_CLIENT": client}, url)
    return EntraIdentity(token, tenant, client, url) if token else None


def _aws(env: Env) -> Origin | None:
    prefix = "CITEDESK_BEDROCK_IDENTITY"
    role, session, url = (
        env.text(f"{prefix}_ROLE"),
        env.text(f"{prefix}_SESSION", "citedesk"),
        _tls(env, f"{prefix}_URL"),
    )
    token = _token(env, prefix, {f"{prefix}_ROLE": role}, url)
    if token is None:
        return None
    if not ROLE.fullmatch(role):
        raise ImproperlyConfigured(f"{prefix}_ROLE does not read arn:aws:iam::123456789012:role/name.")
    if not SESSION.fullmatch(session):
        raise ImproperlyConfigured(f"{prefix}_SESSION is no session's name: 2 to 64 letters, digits or any of +=,.@-_")
    return AwsIdentity(token, role, env.text("CITEDESK_BEDROCK_REGION"), session, url)


def _token(env: Env, prefix: str, needed: dict[str, str], url: str) -> PlatformToken | None:
    """The platform's token, or None where nothing of the identity is set."""
    file, where = env.text(f"{prefix}_TOKEN_FILE"), env.http_url(f"{prefix}_TOKEN_URL")
    headers = _headers(env, f"{prefix}_TOKEN_HEADERS")
    if not any([file, where, headers, url, *needed.values()]):
        return None
    missing = [name for name, value in needed.items() if not value]
    if missing:
        raise ImproperlyConfigured(f"{missing[0]} must be set as well for {prefix}.")
    if bool(file) == bool(where):
        raise ImproperlyConfigured(f"{prefix} needs either {prefix}_TOKEN_FILE or {prefix}_TOKEN_URL.")
    return PlatformToken(prefix, file, where, headers)


def _headers(env: Env, variable: str) -> tuple[tuple[str, str], ...]:
    try:
        named = json.loads(env.text(variable) or "{}")
    except ValueError:
        named = None
    if not isinstance(named, dict) or not all(isinstance(value, str) for value in named.values()):
        raise ImproperlyConfigured(f'{variable} is no JSON object of texts, such as {{"Metadata-Flavor": "Google"}}.')
    return tuple(named.items())


def _tls(env: Env, variable: str) -> str:
    """An address that secrets are sent to: without TLS on this machine alone."""
    value = env.http_url(variable)
    parts = urlsplit(value)
    if parts.scheme == "http" and parts.hostname not in {"localhost", "127.0.0.1", "::1"}:
        raise ImproperlyConfigured(f"{variable} must begin with https://, because secrets are sent there.")
    return value


def _word(env: Env, variable: str, default: str = "", *, like: re.Pattern[str] = NAME) -> str:
    value = env.text(variable, default)
    if value and not like.fullmatch(value):
        raise ImproperlyConfigured(f"{variable}={value!r} is no name of letters, digits, dots and dashes.")
    return value


def _existing(env: Env, variable: str) -> str:
    value = env.text(variable)
    if value and not Path(value).is_file():
        raise ImproperlyConfigured(f"{variable} names no file.")
    return value


def _spoken(check: Callable[[], object]) -> None:
    try:
        check()
    except ValueError as error:
        raise ImproperlyConfigured(str(error)) from None
