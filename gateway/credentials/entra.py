"""Entra ID's tokens for Azure: for the platform's token, or of the machine itself."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from gateway.credentials.identity import PlatformToken, access_token, request
from gateway.credentials.kept import Fetched, Kept, short_lived
from gateway.credentials.secret import Credential, Secret
from gateway.credentials.source import CredentialSource
from gateway.errors import CredentialsUnavailable, InvalidCredentials
from gateway.providers.exchange import extra

SCOPE = "https://cognitiveservices.azure.com/.default"
ENTRA_URL = "https://login.microsoftonline.com"
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
NAME = "Entra ID's token"


@dataclass(frozen=True)
class EntraIdentity:
    """An application with a federated credential, which takes the platform's token as its assertion."""

    token: PlatformToken
    tenant: str
    client: str
    url: str = ""

    def open(self) -> CredentialSource:
        return Kept(NAME, self._fetch)

    def _fetch(self) -> Fetched:
        form = {
            "grant_type": "client_credentials",
            "client_id": self.client,
            "scope": SCOPE,
            "client_assertion_type": ASSERTION,
            "client_assertion": self.token.read(),
        }
        address = f"{self.url or ENTRA_URL}/{self.tenant}/oauth2/v2.0/token"
        token, seconds = access_token(request("POST", address, "Entra ID", data=form), "Entra ID")
        return short_lived(Credential(NAME, Secret(token), identity=f"{self.tenant} {self.client}"), seconds)


@dataclass(frozen=True)
class MachineIdentity:
    """Whatever identity the machine has: workload, managed, or whoever is signed in."""

    def open(self) -> CredentialSource:
        return Kept(NAME, _Machine().fetch)


class _Machine:
    def fetch(self) -> Fetched:
        with extra("azure"):
            from azure.core.exceptions import AzureError, ClientAuthenticationError
        try:
            found = self._credential.get_token(SCOPE)
        except ClientAuthenticationError as error:
            raise InvalidCredentials(f"Entra ID gave no token: {type(error).__name__}") from None
        except AzureError as error:
            raise CredentialsUnavailable(f"Entra ID was not reached ({type(error).__name__})") from None
        lifetime = max(0.0, found.expires_on - time.time())
        return short_lived(Credential(NAME, Secret(found.token), identity="machine"), lifetime)

    @cached_property
    def _credential(self) -> Any:
        from azure.identity import DefaultAzureCredential

        return DefaultAzureCredential()
