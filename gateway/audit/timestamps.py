"""The heads of the chains, confirmed by a timestamp authority (RFC 3161): proof of when, by a third
party, that does not rest on the operator's secret.

The answers are kept in `<data_dir>/audit-timestamps/<tenant_id>/<number>.tsr`. Optional: it needs
`CITEDESK_TIMESTAMP_URL`, `CITEDESK_TIMESTAMP_ROOTS` and the extra `timestamps`.

Does not catch: somebody who takes the files away. Keep a copy elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2
from cryptography.x509 import load_pem_x509_certificates

from gateway.audit import rows
from gateway.conf import configured

if TYPE_CHECKING:
    from rfc3161_client import TimeStampRequest, TimeStampResponse

TIMEOUT = 20.0
LARGEST = 100_000  # bytes of an answer, certificates included
QUERY, REPLY = "application/timestamp-query", "application/timestamp-reply"


class TimestampFailed(Exception):
    """The authority gave no answer that can be believed; `detail` is for the operator."""

    code = "timestamp_failed"

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


def wanted() -> bool:
    return bool(configured().timestamp_url)


def stamp(tenant_id: int) -> int | None:
    """Has the head of the chain confirmed; returns its number, None where there is nothing new.
    Raises `TimestampFailed`."""
    head, mac, _highest = rows.bounds(tenant_id)
    path = _folder(tenant_id) / f"{head}.tsr"
    if not head or path.exists():
        return None
    message = _message(tenant_id, head, mac)
    request = _request(message)
    answer = _ask(request.as_bytes())
    _check(answer, message, request)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = path.with_suffix(".new")
    fresh.write_bytes(answer)
    fresh.replace(path)
    return head


def fault(tenant_id: int) -> tuple[int, str] | None:
    """The first confirmed number whose record is not the one that was confirmed, and why."""
    if not configured().timestamp_roots:
        return None
    kept = dict(sorted(_kept(tenant_id)))
    macs = rows.macs(tenant_id, list(kept))
    for number, path in kept.items():
        if number not in macs:
            return number, "a timestamp confirms this number, but there is no such record"
        try:
            _check(path.read_bytes(), _message(tenant_id, number, macs[number]), None)
        except TimestampFailed as error:
            return number, f"its timestamp does not confirm it: {error.detail}"
    return None


def _message(tenant_id: int, number: int, mac: str) -> bytes:
    return f"citedesk audit {tenant_id} {number} {mac}".encode()


def _kept(tenant_id: int) -> Iterator[tuple[int, Path]]:
    for path in _folder(tenant_id).glob("*.tsr"):
        if path.stem.isdecimal():
            yield int(path.stem), path


def _folder(tenant_id: int) -> Path:
    return configured().data_dir / "audit-timestamps" / str(tenant_id)


def _request(message: bytes) -> TimeStampRequest:
    try:
        from rfc3161_client import HashAlgorithm, TimestampRequestBuilder
    except ImportError:
        raise TimestampFailed("install Citedesk with the extra `timestamps`") from None
    return TimestampRequestBuilder().data(message).hash_algorithm(HashAlgorithm.SHA256).build()


def _ask(query: bytes) -> bytes:
    try:
        with httpx2.stream(
            "POST", configured().timestamp_url, content=query, headers={"Content-Type": QUERY}, timeout=TIMEOUT
        ) as response:
            if response.status_code != 200 or not response.headers.get("Content-Type", "").startswith(REPLY):
                raise TimestampFailed(f"the authority answered with status {response.status_code}")
            answer = b""
            for piece in response.iter_raw():
                answer += piece
                if len(answer) > LARGEST:
                    raise TimestampFailed("the authority's answer is too long")
            return answer
    except httpx2.HTTPError as error:
        raise TimestampFailed(f"the authority cannot be reached: {error}") from None


def _check(answer: bytes, message: bytes, request: TimeStampRequest | None) -> None:
    """Raises `TimestampFailed` unless the answer confirms the message, under one of the roots."""
    try:
        from rfc3161_client import VerificationError, VerifierBuilder, decode_timestamp_response
    except ImportError:
        raise TimestampFailed("install Citedesk with the extra `timestamps`") from None
    builder = VerifierBuilder() if request is None else VerifierBuilder.from_request(request)
    for root in load_pem_x509_certificates(Path(configured().timestamp_roots).read_bytes()):
        builder = builder.add_root_certificate(root)
    try:
        found: TimeStampResponse = decode_timestamp_response(answer)
        builder.build().verify_message(found, message)
    except (VerificationError, ValueError) as error:
        raise TimestampFailed(str(error) or "it cannot be read") from None
