"""The identity that the platform vouches for: its token, and how it is exchanged for a provider's.

The token comes from a file (Kubernetes writes and rotates it) or from an address (a cloud's metadata
service, GitHub Actions). No answer's words are repeated: a service may echo the token that it was sent.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gateway.credentials.files import read_text
from gateway.credentials.source import KEY
from gateway.errors import CredentialsUnavailable, InvalidCredentials

if TYPE_CHECKING:
    import httpx2

TIMEOUT = 10.0  # seconds for one request
TOKEN_FIELDS = ("value", "access_token", "id_token", "token")


@dataclass(frozen=True)
class PlatformToken:
    """`setting` is the prefix of the variables that say where it is, such as CITEDESK_OPENAI_IDENTITY."""

    setting: str
    file: str = ""
    url: str = ""
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    def read(self) -> str:
        """The token as it stands now. Blocks. Raises `ProviderError`."""
        if self.file:
            try:
                token = read_text(self.file, f"{self.setting}_TOKEN_FILE").strip()
            except ValueError as error:
                raise InvalidCredentials(str(error)) from None
        else:
            token = self._fetched()
        if not KEY.fullmatch(token):
            raise InvalidCredentials(f"what {self.setting}_TOKEN_FILE or …_TOKEN_URL gives is no token")
        return token

    def _fetched(self) -> str:
        answer = request("GET", self.url, "the platform's token service", headers=dict(self.headers))
        if not answer.text.lstrip().startswith("{"):
            return answer.text.strip()
        found = parsed(answer, "the platform's token service")
        return next((str(found[name]) for name in TOKEN_FIELDS if found.get(name)), "")


def request(method: str, url: str, whom: str, **sent: Any) -> httpx2.Response:
    """One request that follows no redirect. Raises `ProviderError`."""
    import httpx2

    try:
        with httpx2.Client(follow_redirects=False, timeout=TIMEOUT) as client:
            answer = client.request(method, url, **sent)
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise CredentialsUnavailable(f"{whom} was not reached ({type(error).__name__})") from None
    if answer.status_code >= 500 or answer.status_code == 429:
        raise CredentialsUnavailable(f"{whom} answers {answer.status_code}")
    if answer.status_code != 200:
        raise InvalidCredentials(f"{whom} answers {answer.status_code}")
    return answer


def parsed(answer: httpx2.Response, whom: str) -> dict[str, Any]:
    """The object in the answer. Raises `InvalidCredentials`."""
    try:
        found = answer.json()
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise InvalidCredentials(f"{whom} did not answer with a JSON object")
    return found


def access_token(answer: httpx2.Response, whom: str) -> tuple[str, float]:
    """The token and its seconds, as OAuth gives them. Raises `InvalidCredentials`."""
    found = parsed(answer, whom)
    token, lifetime = found.get("access_token"), found.get("expires_in")
    if not isinstance(token, str) or not KEY.fullmatch(token):
        raise InvalidCredentials(f"{whom} gave no token")
    try:
        seconds = float(lifetime or 0)
    except (TypeError, ValueError):
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise InvalidCredentials(f"{whom} does not say how long its token is good")
    return token, seconds
