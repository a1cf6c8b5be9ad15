"""Services that give a short-lived token for a platform's: OpenAI's, Entra ID, and AWS's STS."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.servers.wire import Request, Script, failure


class FakeTokens:
    """Gives `token-1`, `token-2` and so on, each good for `lifetime` seconds. `status` refuses them."""

    def __init__(self, *, lifetime: float = 3600) -> None:
        self.lifetime = lifetime
        self.given = 0
        self.status = 200

    def respond(self, request: Request) -> Script:
        sent = " ".join(str(value) for value in request.body.values())
        if self.status != 200:
            return failure(self.status, {"error": "invalid_grant", "error_description": f"not good: {sent}"})
        self.given += 1
        if request.body.get("Action") == "AssumeRoleWithWebIdentity":
            return Script((self._assumed().encode(),), content_type="text/xml")
        token = {"access_token": f"token-{self.given}", "token_type": "Bearer", "expires_in": self.lifetime}
        return failure(200, token)

    def _assumed(self) -> str:
        ends = (datetime.now(UTC) + timedelta(seconds=self.lifetime)).strftime("%Y-%m-%dT%H:%M:%SZ")
        return (
            '<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">'
            "<AssumeRoleWithWebIdentityResult><SubjectFromWebIdentityToken>sub</SubjectFromWebIdentityToken><Credentials>"
            f"<AccessKeyId>ASIATEMP{self.given}</AccessKeyId><SecretAccessKey>temporary-secret</SecretAccessKey>"
            f"<SessionToken>session-{self.given}</SessionToken><Expiration>{ends}</Expiration>"
            "</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"
        )
