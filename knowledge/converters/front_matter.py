"""The YAML between two `---` lines at the head of a Markdown file."""

from __future__ import annotations

import re
from datetime import date

import yaml

MAX_FRONT_MATTER = 64 * 1024

_FENCED = re.compile(r"\A\ufeff?---[ \t]*\n(.*?)^(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.S | re.M)
_LINE = re.compile(r"^([A-Za-z_][\w .-]{0,40}?)[ \t]*:[ \t]+(.+?)[ \t]*$", re.M)
_KEYS = {
    "title": "title",
    "url": "url",
    "source_url": "url",
    "canonical_url": "url",
    "canonical": "url",
    "permalink": "url",
    "visibility": "visibility",
    "audience": "visibility",
    "status": "status",
    "superseded_by": "superseded_by",
    "replaced_by": "superseded_by",
    "updated": "updated",
    "last_updated": "updated",
    "last_modified": "updated",
    "lastmod": "updated",
    "modified": "updated",
    "date": "updated",
}


def split_front_matter(text: str) -> tuple[dict[str, str], str]:
    """What the front matter says of `title`, `url`, `visibility`, `updated` (ISO 8601), `status` and
    `superseded_by`, and the text after it. Front matter that is not YAML is read line by line: an
    unquoted colon in a title is the usual cause, and the visibility beside it must not get lost."""
    match = _FENCED.match(text[: MAX_FRONT_MATTER + 8])
    if not match:
        return {}, text
    found: dict[str, str] = {}
    for key, value in _read(match.group(1)).items():
        known = _KEYS.get(key.strip().lower().replace("-", "_").replace(" ", "_"))
        said = _scalar(value)
        if known == "url":
            said = web_address(said)
        if known and said:
            found.setdefault(known, said)
    return found, text[match.end() :]


def web_address(value: str) -> str:
    """`value` where it is an address that a reader may be sent to, else ""."""
    value = value.strip()
    return value if re.match(r"https?://[^\s/]+", value, re.I) and not re.search(r"\s", value) else ""


def _read(raw: str) -> dict[str, object]:
    try:
        loaded = yaml.safe_load(raw)
    except (yaml.YAMLError, ValueError, RecursionError):  # a date like 2026-02-31; brackets without end
        loaded = None
    if isinstance(loaded, dict):
        return {str(key): value for key, value in loaded.items() if isinstance(key, str)}
    return {key: value.strip("\"'") for key, value in _LINE.findall(raw)}


def _scalar(value: object) -> str:
    """Only what fits on a line: a list or mapping says nothing here, and an alias to one could be
    far larger than the file."""
    if isinstance(value, date):  # and datetime, which is one
        return value.isoformat()
    return str(value)[:2000] if isinstance(value, str | int | float) and not isinstance(value, bool) else ""
