"""OpenAI's workload identity federation: the platform's token for a short-lived one (RFC 8693)."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.credentials.identity import PlatformToken, access_token, request
from gateway.credentials.kept import Fetched, Kept, short_lived
from gateway.credentials.secret import Credential, Secret
from gateway.credentials.source import CredentialSource

OPENAI_TOKEN_URL = "https://auth.openai.com/oauth/token"  # noqa: S105  an address
WHOM = "OpenAI's token exchange"


@dataclass(frozen=True)
class OpenAIIdentity:
    """The identity provider and the service account as OpenAI's settings name them. `kind` is jwt or id."""

    token: PlatformToken
    provider: str
    account: str
    kind: str = "jwt"
    url: str = ""

    def open(self) -> CredentialSource:
        return Kept("OpenAI's short-lived token", self._fetch)

    def _fetch(self) -> Fetched:
        kind = "id_token" if self.kind == "id" else "jwt"
        body = {
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
            "subject_token": self.token.read(),
            "subject_token_type": f"urn:ietf:params:oauth:token-type:{kind}",
            "identity_provider_id": self.provider,
            "service_account_id": self.account,
        }
        token, seconds = access_token(request("POST", self.url or OPENAI_TOKEN_URL, WHOM, json=body), WHOM)
        identity = f"{self.provider} {self.account}"
        return short_lived(Credential("OpenAI's short-lived token", Secret(token), identity=identity), seconds)
