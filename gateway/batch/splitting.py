"""Which requests go into one upload, by what the provider takes at most. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from gateway.profiles import BatchTerms


def fits(size: int, terms: BatchTerms) -> bool:
    """Whether a request of so many bytes can be uploaded at all."""
    return size + 1 <= terms.bytes


def uploads(sizes: Iterable[int], terms: BatchTerms) -> list[int]:
    """For each request the number of its upload, from 0, in order. A line's end counts as a byte."""
    numbers: list[int] = []
    upload = count = total = 0
    for size in sizes:
        if count and (count == terms.requests or total + size + 1 > terms.bytes):
            upload, count, total = upload + 1, 0, 0
        count, total = count + 1, total + size + 1
        numbers.append(upload)
    return numbers
