"""Sitemaps: XML, XML in gzip, an index of others, or plain lines."""

from __future__ import annotations

import io
from dataclasses import dataclass
from xml.etree.ElementTree import ParseError

import defusedxml.ElementTree
from defusedxml.common import DefusedXmlException

from knowledge.fetching.policy import FetchPolicy
from knowledge.fetching.unpacking import read_body
from knowledge.sources.errors import SourceUnreadable

MAX_ENTRIES = 50_000  # what the format allows in one file


@dataclass(frozen=True)
class Sitemap:
    """The addresses as they stand there: of pages, and of further sitemaps."""

    pages: tuple[str, ...]
    sitemaps: tuple[str, ...]


def read_sitemap(body: bytes, policy: FetchPolicy) -> Sitemap:
    """Raises `SourceUnreadable`, and `FetchError` for a packed one that is too large."""
    if body.startswith(b"\x1f\x8b"):
        body = read_body([body], "gzip", policy)
    start = body[:200].lstrip(b"\xef\xbb\xbf \t\r\n")
    if start.startswith((b"http://", b"https://")):
        lines = body.decode("utf-8", "replace").split()
        return Sitemap(tuple(lines[:MAX_ENTRIES]), ())
    pages: list[str] = []
    sitemaps: list[str] = []
    try:
        for _event, element in defusedxml.ElementTree.iterparse(io.BytesIO(body), forbid_dtd=True):
            name = element.tag.rpartition("}")[2]
            if name in ("url", "sitemap"):
                address = next((child.text for child in element if child.tag.rpartition("}")[2] == "loc"), None)
                (pages if name == "url" else sitemaps).append((address or "").strip())
                element.clear()
            elif name not in ("urlset", "sitemapindex") and "{" not in element.tag and element.tag == "html":
                raise SourceUnreadable("a web page where a sitemap should be")
            if len(pages) + len(sitemaps) > MAX_ENTRIES:
                break
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise SourceUnreadable("the sitemap is no XML") from error
    if not pages and not sitemaps:
        raise SourceUnreadable("the sitemap lists nothing")
    return Sitemap(tuple(filter(None, pages)), tuple(filter(None, sitemaps)))
