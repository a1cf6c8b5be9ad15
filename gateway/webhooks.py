"""A signed POST to an address that a tenant's admin entered.

`Citedesk-Signature: t=<unix seconds>,v1=<hex>`, where v1 is HMAC-SHA256 over `<t>.<body>` with the
webhook's secret (docs/operations.md shows how to check it). The address must be https and public;
it is resolved once, and what was checked is dialled (S7). Redirects are not followed, the answer's
body is not read, and the whole takes no longer than `SECONDS`.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
from typing import TYPE_CHECKING

from gateway import addresses
from gateway.addresses import NotPublic, Resolve
from gateway.conf import configured
from gateway.models import AlertWebhook

if TYPE_CHECKING:
    import httpx2

SECONDS = 15.0


class WebhookFailed(Exception):
    """It was not delivered; the text says why and holds no secret. `for_good` says that trying
    again cannot help."""

    def __init__(self, detail: str, *, for_good: bool = False) -> None:
        super().__init__(detail)
        self.for_good = for_good


def secret_of(webhook: AlertWebhook) -> str:
    """What signs, and what the receiver checks with. Made anew each time and kept nowhere."""
    said = f"citedesk webhook {webhook.tenant_id} {webhook.salt}"
    return "whs_" + hmac.new(configured().audit_key.encode(), said.encode(), hashlib.sha256).hexdigest()


def signature(secret: str, body: bytes, timestamp: int) -> str:
    """The value of the header."""
    digest = hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={timestamp},v1={digest}"


def check(url: str, *, resolve: Resolve | None = None) -> tuple[httpx2.URL, str]:
    """The parsed URL and the address to dial for it. Raises `NotPublic`, which says what is wrong."""
    import httpx2

    loopback = configured().webhook_loopback
    try:
        parsed = httpx2.URL(url)
    except (httpx2.InvalidURL, TypeError) as error:
        raise NotPublic("This is not an address.") from error
    if parsed.scheme != "https" and not (loopback and parsed.scheme == "http"):
        raise NotPublic("The address must begin with https://.")
    if not parsed.host or parsed.userinfo:
        raise NotPublic("The address must name a host, and no user.")
    port = parsed.port or (443 if parsed.scheme == "https" else 80)
    host = parsed.raw_host.decode()
    return parsed, addresses.public_address(host, port, resolve=resolve or addresses.resolve, loopback=loopback)


def post(
    url: str,
    body: bytes,
    secret: str,
    delivery_id: str,
    *,
    resolve: Resolve | None = None,
    transport: httpx2.AsyncBaseTransport | None = None,
) -> None:
    """Raises `WebhookFailed` unless the receiver answered with a 2xx."""
    asyncio.run(_post(url, body, secret, delivery_id, resolve, transport))


async def _post(
    url: str,
    body: bytes,
    secret: str,
    delivery_id: str,
    resolve: Resolve | None,
    transport: httpx2.AsyncBaseTransport | None,
) -> None:
    import httpx2

    try:
        async with asyncio.timeout(SECONDS):
            parsed, address = await asyncio.to_thread(check, url, resolve=resolve)
            headers = {
                "Host": parsed.netloc.decode(),
                "Content-Type": "application/json",
                "User-Agent": "Citedesk",
                "Citedesk-Delivery": delivery_id,
                "Citedesk-Signature": signature(secret, body, int(time.time())),
            }
            # The environment's proxies are left alone: one would resolve the name once more.
            async with httpx2.AsyncClient(transport=transport, trust_env=False, follow_redirects=False) as client:
                request = client.build_request(
                    "POST",
                    parsed.copy_with(host=address),
                    content=body,
                    headers=headers,
                    extensions={"sni_hostname": parsed.raw_host.decode()},
                )
                response = await client.send(request, stream=True)
                await response.aclose()
    except NotPublic as error:
        raise WebhookFailed(str(error), for_good="cannot be resolved" not in str(error)) from error
    except TimeoutError as error:
        raise WebhookFailed(f"no answer within {SECONDS:.0f} seconds") from error
    except httpx2.HTTPError as error:
        raise WebhookFailed(f"not reached: {type(error).__name__}") from error
    if not response.is_success:
        raise WebhookFailed(f"answered with status {response.status_code}")
