"""Bodies as they come, within their limits."""

from __future__ import annotations

import zlib
from collections.abc import Iterable

from knowledge.fetching.errors import BadResponse, FetchTooLarge
from knowledge.fetching.policy import FetchPolicy

STEP = 65_536


def read_body(pieces: Iterable[bytes], encoding: str, policy: FetchPolicy) -> bytes:
    """The body, unpacked. At no time is more than `max_bytes` and one step of it in memory. Raises
    `FetchTooLarge` or `BadResponse`."""
    encoding = encoding.strip().lower()
    if encoding in ("", "identity"):
        return _plain(pieces, policy)
    if encoding in ("gzip", "x-gzip"):
        return _gunzipped(pieces, policy)
    raise BadResponse("the answer is in an encoding that was not asked for")


def _plain(pieces: Iterable[bytes], policy: FetchPolicy) -> bytes:
    body = bytearray()
    for piece in pieces:
        body += piece
        if len(body) > policy.max_bytes:
            raise FetchTooLarge(f"more than {policy.max_bytes:,} bytes")
    return bytes(body)


def _gunzipped(pieces: Iterable[bytes], policy: FetchPolicy) -> bytes:
    body, packed, stream = bytearray(), 0, zlib.decompressobj(zlib.MAX_WBITS | 16)
    for piece in pieces:
        packed += len(piece)
        rest = piece
        while rest:
            try:
                body += stream.decompress(rest, STEP)
            except zlib.error as error:
                raise BadResponse("the answer's compression is damaged") from error
            limit = min(policy.max_bytes, max(policy.free_bytes, packed * policy.max_ratio))
            if len(body) > limit:
                raise FetchTooLarge(f"more than {limit:,} bytes unpacked from {packed:,}")
            rest = stream.unconsumed_tail
            if stream.eof:  # another member may follow
                rest, stream = stream.unused_data, zlib.decompressobj(zlib.MAX_WBITS | 16)
                if rest and not rest.strip(b"\x00"):
                    rest = b""  # padding
    return bytes(body)
