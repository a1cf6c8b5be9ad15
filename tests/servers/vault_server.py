"""HashiCorp Vault as its API answers: signing in, tokens with a lease, the second key-value engine."""

from __future__ import annotations

import threading
from typing import Any

from tests.servers.wire import Request, Script, failure

FORBIDDEN = failure(403, {"errors": ["permission denied"]})
JSON = "application/json"


class FakeVault:
    """`secrets` are by path. Each sign-in gives a token of its own, good for `lease` seconds (0: for ever);
    `renewed` is set when one was renewed. `down` answers as a sealed Vault does."""

    def __init__(self, secrets: dict[str, dict[str, Any]], *, lease: float = 0, root: str = "") -> None:
        self.secrets, self.lease = secrets, lease
        self.tokens = {root} if root else set()
        self.signed_in: list[tuple[str, dict[str, Any]]] = []
        self.renewed = threading.Event()
        self.reads = 0
        self.down = False

    def respond(self, request: Request) -> Script:
        path = request.path.removeprefix("/v1/")
        if self.down:
            return failure(503, {"errors": ["Vault is sealed"]})
        if path.endswith("/login"):
            return self._login(path, request.body)
        if request.headers.get("x-vault-token") not in self.tokens:
            return FORBIDDEN
        if path == "auth/token/lookup-self":
            return failure(200, {"data": {"ttl": self.lease, "renewable": bool(self.lease)}})
        if path == "auth/token/renew-self":
            self.renewed.set()
            return failure(200, self._lease(request.headers["x-vault-token"]))
        return self._read(path.removeprefix("secret/data/"))

    def _login(self, path: str, body: dict[str, Any]) -> Script:
        self.signed_in.append((path, body))
        token = f"hvs.token-{len(self.signed_in)}"
        self.tokens.add(token)
        return failure(200, self._lease(token))

    def _lease(self, token: str) -> dict[str, Any]:
        return {"auth": {"client_token": token, "lease_duration": self.lease, "renewable": bool(self.lease)}}

    def _read(self, path: str) -> Script:
        self.reads += 1
        if path not in self.secrets:
            return failure(404, {"errors": []})
        metadata = {"version": 1, "destroyed": False, "deletion_time": ""}
        return failure(200, {"data": {"data": self.secrets[path], "metadata": metadata}})
