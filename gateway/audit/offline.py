"""Checks an export without the database. Pure: a file, a public key, and perhaps the tenant's MAC key.

Faults, by the line's record: `not_an_export`, `signature` (not signed by the key, or changed since),
`missing` (a number is not there), `link`, `text` (it does not match its digest), `edited` (the MAC,
when the key is known), `head` (the last record is not the head that the export names).

Does not prove that the installation wrote the truth in the first place: who held its secret then
could write anything. A timestamp or an earlier export of the same records, kept elsewhere, does.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gateway.audit import keys
from gateway.audit.chain import canonical, mac_of
from gateway.audit.export import FORMAT, signed_words
from gateway.types import JSON


@dataclass(frozen=True)
class Outcome:
    """`records` were read; `fault` is None when all is as it was exported."""

    records: int
    fault: JSON | None = None

    def as_json(self) -> JSON:
        return {**asdict(self), "ok": self.fault is None}


class _Fault(Exception):
    def __init__(self, code: str, detail: str, sequence: int | None = None) -> None:
        self.found = {"code": code, "sequence": sequence, "detail": detail}


def verify_export(path: Path, public_key: str, mac_key: bytes | None) -> Outcome:
    """`public_key` is the installation's, in hexadecimal, as it was told by a way that is trusted."""
    count = 0
    try:
        _check_signature(path, public_key)
        header: JSON = {}
        previous: JSON | None = None
        for line in _lines(path):
            if line["type"] == "header":
                header = line
            elif line["type"] in {"record", "event"}:
                _check_record(line, mac_key)
            if line["type"] == "record":
                _check_place(line, previous, header["first"])
                previous, count = line, count + 1
        _check_end(header, previous)
    except _Fault as fault:
        return Outcome(count, fault.found)
    except (KeyError, TypeError, ValueError) as error:
        return Outcome(count, {"code": "not_an_export", "sequence": None, "detail": str(error)})
    return Outcome(count)


def _check_signature(path: Path, public_key: str) -> None:
    digest, last = hashlib.sha256(), b""
    with path.open("rb") as file:
        for line in file:
            digest.update(last)
            last = line
    seal = json.loads(last)
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key)).verify(
            bytes.fromhex(seal["signature"]), signed_words(digest.hexdigest())
        )
    except InvalidSignature:
        raise _Fault("signature", "the file was changed, or not made by the installation of this key") from None


def _lines(path: Path) -> Iterator[JSON]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def _check_record(line: JSON, mac_key: bytes | None) -> None:
    fields, number = line["fields"], line["fields"]["sequence"]
    if mac_key is not None and not hmac.compare_digest(mac_of(fields, mac_key), line["mac"]):
        raise _Fault("edited", "its fields do not match its MAC", number)
    if line.get("text") == "kept":
        digest = keys.text_digest(bytes.fromhex(line["salt"]), canonical(line["content"]).encode())
        if digest != fields["content_digest"]:
            raise _Fault("text", "its text does not match its digest", number)


def _check_place(line: JSON, previous: JSON | None, first: int) -> None:
    number = line["fields"]["sequence"]
    expected = previous["fields"]["sequence"] + 1 if previous else first
    if number != expected:
        raise _Fault("missing", f"number {expected} is missing; the next found is {number}", expected)
    if previous is not None and line["fields"]["previous_mac"] != previous["mac"]:
        raise _Fault("link", "it was written after another record than the one before it", number)


def _check_end(header: JSON, last: JSON | None) -> None:
    if header["format"] != FORMAT:
        raise _Fault("not_an_export", f"its format is {header['format']}, not {FORMAT}")
    number = last["fields"]["sequence"] if last else header["last"]
    if number != header["last"]:
        raise _Fault("missing", f"number {header['last']} is missing", number + 1)
    if last is not None and number == header["head"]["sequence"] and last["mac"] != header["head"]["mac"]:
        raise _Fault("head", "the last record is not the head of the chain", number)
