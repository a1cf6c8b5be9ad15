"""What a web page says to a program that visits it: links, its own address, whether to be indexed."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass

from selectolax.lexbor import LexborHTMLParser

from knowledge.converters.decoding import decode
from knowledge.fetching.errors import AddressRefused
from knowledge.fetching.fetch import Fetched
from knowledge.fetching.url import Target, canonical, join

MAX_LINKS = 2000
READABLE = {
    "text/html": ".html",
    "application/xhtml+xml": ".html",
    "text/plain": ".txt",
    "text/markdown": ".md",
    "application/pdf": ".pdf",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": ".docx",
}
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w.:-]{2,40})", re.I)
_ROBOTS = re.compile(r"[\s,;:]+")


@dataclass(frozen=True)
class Page:
    """`canonical` is None where the page names no address, or its own."""

    links: tuple[Target, ...] = ()
    canonical: Target | None = None
    index: bool = True
    follow: bool = True


def media_type(fetched: Fetched) -> str:
    return fetched.headers.get("content-type", "").partition(";")[0].strip().lower() or "text/html"


def as_utf8(fetched: Fetched) -> bytes:
    """The body of a text in UTF-8, where the header names another encoding: it counts before what the
    page says of itself."""
    kind = media_type(fetched)
    named = _CHARSET.search(fetched.headers.get("content-type", ""))
    if named is None or not kind.startswith("text/"):
        return fetched.body
    try:
        codec = codecs.lookup(named[1])
    except LookupError:
        return fetched.body
    # Python also calls "hex" and "rot13" codecs.
    if codec.name in ("utf-8", "utf-7") or not getattr(codec, "_is_text_encoding", True):
        return fetched.body
    return fetched.body.decode(codec.name, "replace").encode()


def read_page(fetched: Fetched, body: bytes) -> Page:
    """Of HTML; another kind of document has no links and is indexed unless its header says no."""
    said = set(_ROBOTS.split(fetched.headers.get("x-robots-tag", "").lower()))
    if READABLE.get(media_type(fetched)) != ".html":
        return Page(index=not said & {"noindex", "none"})
    page = LexborHTMLParser(decode(body, html=True))
    for meta in page.css("meta[name][content]"):
        if (meta.attributes.get("name") or "").lower() in ("robots", "citedesk"):
            said |= set(_ROBOTS.split((meta.attributes.get("content") or "").lower()))
    base = fetched.target
    node = page.css_first("base[href]")
    if node is not None:
        base = _joined(base, node.attributes.get("href")) or base
    link = page.css_first("link[rel=canonical]")
    own = _joined(base, link.attributes.get("href")) if link is not None else None
    return Page(
        links=tuple(dict.fromkeys(_links(page, base))),
        canonical=None if own == canonical(fetched.target) else own,
        index=not said & {"noindex", "none"},
        follow=not said & {"nofollow", "none"},
    )


def _links(page: LexborHTMLParser, base: Target) -> Iterator[Target]:
    for node in page.css("a[href]")[:MAX_LINKS]:
        if "nofollow" not in (node.attributes.get("rel") or "").lower():
            target = _joined(base, node.attributes.get("href"))
            if target is not None:
                yield target


def _joined(base: Target, reference: str | None) -> Target | None:
    if not reference:
        return None
    try:
        return canonical(join(base, reference))
    except AddressRefused:
        return None  # mailto:, javascript:, or what no parser should read
