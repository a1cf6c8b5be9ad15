"""A webhook is signed, goes to the address that was checked, and to no other."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import httpx2
import pytest

from gateway import webhooks
from gateway.webhooks import WebhookFailed

PUBLIC = "93.184.215.14"


class Recording:
    """A transport that dials nobody and keeps what it was asked to send."""

    def __init__(self, status: int = 200, **headers: str) -> None:
        self.requests: list[httpx2.Request] = []
        self.transport = httpx2.MockTransport(self._answer)
        self._status, self._headers = status, headers

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        return httpx2.Response(self._status, headers=self._headers)


def send(recording: Recording, url: str = "https://hooks.example.com/in?a=1", *addresses: str) -> None:
    found = list(addresses or [PUBLIC])
    webhooks.post(url, b'{"a":1}', "whs_s", "id-1", resolve=lambda _h, _p: found, transport=recording.transport)


def test_the_receiver_can_check_who_sent_it_and_when() -> None:
    recording = Recording()
    send(recording)
    (request,) = recording.requests
    timestamp, digest = (part.split("=")[1] for part in request.headers["Citedesk-Signature"].split(","))
    expected = hmac.new(b"whs_s", timestamp.encode() + b'.{"a":1}', hashlib.sha256).hexdigest()
    assert hmac.compare_digest(digest, expected)
    assert request.headers["Citedesk-Delivery"] == "id-1"
    assert request.content == b'{"a":1}'


@pytest.mark.threat("S7")
def test_the_address_that_was_checked_is_dialled_and_the_certificate_must_be_the_names() -> None:
    recording, answers = Recording(), [[PUBLIC], ["127.0.0.1"]]
    resolve: Any = lambda _host, _port: answers.pop(0)  # noqa: E731
    webhooks.post("https://hooks.example.com:8443/in", b"{}", "s", "1", resolve=resolve, transport=recording.transport)
    (request,) = recording.requests
    assert (request.url.host, request.url.port, request.headers["Host"]) == (PUBLIC, 8443, "hooks.example.com:8443")
    assert request.extensions["sni_hostname"] == "hooks.example.com"


@pytest.mark.threat("S1", "S3", "S4", "S5", "S6")
@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("https://intranet.example.com/", "10.0.0.1"),
        ("https://metadata/", "169.254.169.254"),
        ("https://carrier/", "100.64.0.1"),
        ("https://translated/", "64:ff9b::a9fe:a9fe"),
        ("https://mapped/", "::ffff:a9fe:a9fe"),
        ("https://here/", "127.0.0.1"),
        ("http://hooks.example.com/", PUBLIC),
        ("https://user:password@hooks.example.com/", PUBLIC),
        ("ftp://hooks.example.com/", PUBLIC),
        ("https:///in", PUBLIC),
        ("https://[::1/", PUBLIC),
    ],
)
def test_nothing_is_dialled_for_an_address_that_is_not_public_or_not_https(url: str, address: str) -> None:
    recording = Recording()
    with pytest.raises(WebhookFailed) as failed:
        send(recording, url, address)
    assert (recording.requests, failed.value.for_good) == ([], True)


@pytest.mark.threat("S1")
def test_a_redirect_is_a_failure_and_not_followed() -> None:
    recording = Recording(302, Location="https://169.254.169.254/")
    with pytest.raises(WebhookFailed, match="status 302"):
        send(recording)
    assert len(recording.requests) == 1


@pytest.mark.threat("S9")
def test_a_receiver_that_dawdles_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio

    async def never(_request: httpx2.Request) -> httpx2.Response:
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(webhooks, "SECONDS", 0.05)
    with pytest.raises(WebhookFailed, match="no answer"):
        webhooks.post(
            "https://h.example", b"", "s", "1", resolve=lambda _h, _p: [PUBLIC], transport=httpx2.MockTransport(never)
        )
