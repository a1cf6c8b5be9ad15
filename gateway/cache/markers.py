"""The numbers in brackets by which an answer cites its sources, as models write them."""

from __future__ import annotations

import re
from collections.abc import Mapping

# Models write [1], [1, 2], [1][2] and sometimes 【1】 or [Source 1].
MARKER = re.compile(r"[\[【](?:sources?\s*)?(\d{1,3}(?:\s*[,;]\s*\d{1,3})*)[\]】]", re.IGNORECASE)


def numbers(marker: str) -> list[int]:
    """The numbers that stand in a marker, or in all markers of a text."""
    return [int(digits) for found in MARKER.finditer(marker) for digits in re.findall(r"\d+", found.group(1))]


def renumbered(text: str, names: Mapping[int, int]) -> str:
    """The text with each source called by its new number; a number that names none is dropped."""

    def anew(found: re.Match[str]) -> str:
        return "".join(f"[{names[each]}]" for each in numbers(found.group()) if each in names)

    return MARKER.sub(anew, text)
