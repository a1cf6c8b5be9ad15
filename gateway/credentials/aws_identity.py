"""AWS's temporary keys for the platform's token: `AssumeRoleWithWebIdentity`, which needs no signature."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from xml.etree.ElementTree import Element

from gateway.credentials.identity import PlatformToken, request
from gateway.credentials.kept import Fetched, Kept, short_lived
from gateway.credentials.secret import Credential, Secret
from gateway.credentials.source import CredentialSource
from gateway.errors import InvalidCredentials

WHOM = "AWS STS"
NAME = "AWS's temporary keys"
LIFETIME = 3600  # seconds; what every role allows
SPACE = "{https://sts.amazonaws.com/doc/2011-06-15/}"


@dataclass(frozen=True)
class AwsIdentity:
    """`region` says which of STS's addresses is asked, unless `url` does."""

    token: PlatformToken
    role: str
    region: str
    session: str = "citedesk"
    url: str = ""

    def open(self) -> CredentialSource:
        return Kept(NAME, self._fetch)

    def _fetch(self) -> Fetched:
        form = {
            "Action": "AssumeRoleWithWebIdentity",
            "Version": "2011-06-15",
            "RoleArn": self.role,
            "RoleSessionName": self.session,
            "WebIdentityToken": self.token.read(),
            "DurationSeconds": str(LIFETIME),
        }
        answer = request("POST", self.url or f"https://sts.{self.region}.amazonaws.com", WHOM, data=form)
        found = _credentials(answer.content)
        return short_lived(
            Credential(
                NAME,
                Secret(_field(found, "SecretAccessKey")),
                _field(found, "AccessKeyId"),
                Secret(_field(found, "SessionToken")),
                identity=self.role,
            ),
            _seconds_until(_field(found, "Expiration")),
        )


def _credentials(body: bytes) -> Element:
    from defusedxml.common import DefusedXmlException
    from defusedxml.ElementTree import fromstring

    try:
        found = fromstring(body).find(f".//{SPACE}Credentials")
    except (DefusedXmlException, SyntaxError):
        found = None
    if found is None:
        raise InvalidCredentials(f"{WHOM} gave no keys")
    return found


def _seconds_until(text: str) -> float:
    try:
        left = (datetime.fromisoformat(text) - datetime.now(UTC)).total_seconds()
    except (TypeError, ValueError):
        raise InvalidCredentials(f"{WHOM} does not say how long its keys are good") from None
    return min(max(0.0, left), float(LIFETIME))


def _field(found: Element, name: str) -> str:
    text = found.findtext(f"{SPACE}{name}", "").strip()
    if not text:
        raise InvalidCredentials(f"{WHOM} gave keys without {name}")
    return text
