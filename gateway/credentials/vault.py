"""Keys in HashiCorp Vault: its second key-value engine, read again every so often.

Vault's own token has a lease: a thread of its own renews it at two thirds of its time, or signs in anew where
it cannot be renewed. `hvac` speaks the protocol; it blocks, and is only called from threads.

Does not catch: leases of secrets that Vault makes for us alone (its engines of AWS or databases).
"""

from __future__ import annotations

import functools
import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from gateway.credentials.files import read_text
from gateway.credentials.kept import Fetched, Kept
from gateway.credentials.source import CredentialSource, credentials
from gateway.errors import CredentialsUnavailable, InvalidCredentials, ProviderError
from gateway.providers.exchange import extra

KUBERNETES_TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount/token"  # noqa: S105  a path
TIMEOUT = 10.0  # seconds for one request
RENEW_AT = 2 / 3  # of the lease
SHORTENED = 1 / 2  # of the first lease: a renewal that gives less nears its end, so we sign in anew
LONGEST_PAUSE = 60.0  # seconds after a renewal that failed
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class VaultSettings:
    """`auth` is token, kubernetes or approle. Files are read at each sign-in, so that they may change."""

    url: str
    auth: str = "token"
    auth_mount: str = ""
    namespace: str = ""
    mount: str = "secret"
    token: str = field(default="", repr=False)
    token_file: str = ""
    role: str = ""
    jwt_file: str = KUBERNETES_TOKEN
    role_id: str = ""
    secret_id: str = field(default="", repr=False)
    secret_id_file: str = ""
    ca_file: str = ""
    refresh: float = 60.0


@dataclass(frozen=True)
class VaultKeys:
    """The keys in one field of one secret. `paired` ones are AWS's, `id:secret`."""

    vault: VaultSettings
    path: str
    field: str
    paired: bool = False

    def open(self) -> CredentialSource:
        return Kept(f"{self.path}#{self.field} in Vault", self._fetch)

    def _fetch(self) -> Fetched:
        held = _shared(self.vault, os.getpid()).read(self.path)
        text = held.get(self.field)
        if not isinstance(text, str):
            raise InvalidCredentials(f"Vault's secret {self.path} has no field {self.field} that is a text")
        try:
            keys = credentials(text, f"{self.path}#{self.field} in Vault", paired=self.paired)
        except ValueError as error:
            raise InvalidCredentials(str(error)) from None
        return Fetched(keys, self.vault.refresh)


@functools.lru_cache(maxsize=16)
def _shared(settings: VaultSettings, _process: int) -> Vault:
    """One for each process: a thread does not outlive a fork."""
    return Vault(settings)


class Vault:
    """A session at Vault, safe to use from several threads."""

    def __init__(self, settings: VaultSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._client: Any = None
        self._lease = self._first_lease = 0.0  # seconds; 0 is for ever
        self._renewable = False
        self._got_at = 0.0
        self._keeper: threading.Thread | None = None
        self._changed = threading.Event()

    def read(self, path: str) -> dict[str, Any]:
        """The fields of a secret. Raises `ProviderError`."""
        with self._lock, _vault_errors(f"read {path}"):
            self._sign_in_if_needed()
            from hvac.exceptions import Forbidden, Unauthorized

            try:
                return self._read(path)
            except (Forbidden, Unauthorized):  # a token that was revoked before its time
                self._sign_in()
                return self._read(path)

    def _read(self, path: str) -> dict[str, Any]:
        found = self._client.secrets.kv.v2.read_secret_version(
            path=path, mount_point=self._settings.mount, raise_on_deleted_version=True
        )
        return dict(found["data"]["data"])

    def _sign_in_if_needed(self) -> None:
        if self._client is None or (self._lease and time.monotonic() >= self._got_at + self._lease):
            self._sign_in()
        if self._keeper is None and self._lease:
            self._keeper = threading.Thread(target=self._keep, name="citedesk-vault", daemon=True)
            self._keeper.start()

    def _sign_in(self) -> None:
        settings, client = self._settings, self._open()
        match settings.auth:
            case "kubernetes":
                jwt = _text(settings.jwt_file, "CITEDESK_VAULT_JWT_FILE")
                mount = settings.auth_mount or "kubernetes"
                lease = client.auth.kubernetes.login(settings.role, jwt, mount_point=mount)["auth"]
            case "approle":
                secret = settings.secret_id or _text(settings.secret_id_file, "CITEDESK_VAULT_SECRET_ID_FILE")
                mount = settings.auth_mount or "approle"
                lease = client.auth.approle.login(settings.role_id, secret, mount_point=mount)["auth"]
            case _:
                client.token = settings.token or _text(settings.token_file, "CITEDESK_VAULT_TOKEN_FILE")
                looked = client.auth.token.lookup_self()["data"]
                lease = {"lease_duration": looked["ttl"], "renewable": looked.get("renewable", False)}
        self._client = client
        self._first_lease = float(lease["lease_duration"])
        self._take(lease)

    def _take(self, lease: dict[str, Any]) -> None:
        self._lease, self._renewable = float(lease["lease_duration"]), bool(lease["renewable"])
        self._got_at = time.monotonic()
        self._changed.set()

    def _open(self) -> Any:
        with extra("vault"):
            import hvac
        import requests

        session = requests.Session()
        session.trust_env = False  # no proxy, password or certificate that the environment may hold
        session.verify = self._settings.ca_file or True
        return hvac.Client(
            url=self._settings.url,
            token="",  # or it would take one from the environment
            namespace=self._settings.namespace or None,
            timeout=TIMEOUT,
            allow_redirects=False,
            session=session,
        )

    def _keep(self) -> None:
        """Runs as long as the process."""
        pause = 1.0
        while True:
            self._changed.clear()
            wait = self._got_at + self._lease * RENEW_AT - time.monotonic() if self._lease else None
            if self._changed.wait(None if wait is None else max(0.0, wait)):
                continue
            try:
                with self._lock, _vault_errors("renew the token"):
                    self._renew()
                pause = 1.0
            except ProviderError as error:
                logger.warning("Vault: %s", error.detail)
                self._changed.wait(pause)
                pause = min(2 * pause, LONGEST_PAUSE)

    def _renew(self) -> None:
        if self._renewable:
            renewed = self._client.auth.token.renew_self()["auth"]
            if float(renewed["lease_duration"]) >= self._first_lease * SHORTENED:
                self._take(renewed)
                return
        self._sign_in()


@contextmanager
def _vault_errors(what: str) -> Iterator[None]:
    """What went wrong, by its kind alone: Vault may repeat what it was sent."""
    with extra("vault"):
        from hvac.exceptions import BadGateway, InternalServerError, RateLimitExceeded, VaultDown, VaultError
    from requests import RequestException

    try:
        yield
    except (BadGateway, InternalServerError, RateLimitExceeded, VaultDown, RequestException) as error:
        raise CredentialsUnavailable(f"cannot {what}: Vault does not answer ({type(error).__name__})") from None
    except VaultError as error:
        raise InvalidCredentials(f"cannot {what}: Vault refuses it ({type(error).__name__})") from None
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidCredentials(f"cannot {what}: Vault's answer is not of its API ({type(error).__name__})") from None


def _text(path: str, variable: str) -> str:
    try:
        return read_text(path, variable).strip()
    except ValueError as error:
        raise InvalidCredentials(str(error)) from None
