"""HTML: the main content of a page as readable text."""

from __future__ import annotations

import re

from selectolax.lexbor import LexborHTMLParser, LexborNode

from knowledge.converters.blocks import write_blocks
from knowledge.converters.decoding import decode
from knowledge.converters.draft import DocumentDraft
from knowledge.converters.front_matter import web_address
from knowledge.converters.main_content import find_main_content
from knowledge.converters.tree import one_line_of, parse_html
from knowledge.types import ConvertedDocument

_META = {
    "visibility": "visibility",
    "audience": "visibility",
    "updated": "updated",
    "last-modified": "updated",
    "article:modified_time": "updated",
    "og:updated_time": "updated",
    "og:url": "og_url",
    "og:title": "og_title",
}
_SITE_SEPARATOR = re.compile(r"\s+(?:[|·»•—–:-]|::)\s+")


def convert_html(data: bytes, *, name: str) -> ConvertedDocument:
    """Navigation, page headers and footers, forms, scripts and hidden text are left out; the last
    with the warning "hidden_text". Raises TooComplex, EmptyDocument, DocumentTooLarge."""
    page = parse_html(decode(data, html=True))
    metadata = _metadata(page)
    title = _title(page, metadata.pop("og_title", ""))
    draft = DocumentDraft()
    root = find_main_content(page, draft, whole=False)
    if root is not None:
        write_blocks(root, draft)
    return draft.finish(name=name, title=title, metadata=metadata)


def write_fragment(markup: str, draft: DocumentDraft) -> None:
    """Add HTML that is an article and nothing else. Raises TooComplex, DocumentTooLarge."""
    root = find_main_content(parse_html(markup), draft, whole=True)
    if root is not None:
        write_blocks(root, draft)


def _metadata(page: LexborHTMLParser) -> dict[str, str]:
    found: dict[str, str] = {}
    for meta in page.css("meta[content]"):
        key = meta.attributes.get("name") or meta.attributes.get("property") or ""
        known = _META.get(key.strip().lower())
        if known:
            found.setdefault(known, (meta.attributes.get("content") or "").strip())
    link = page.css_first("link[rel=canonical]")
    canonical = (link.attributes.get("href") or "") if link is not None else ""
    address = web_address(canonical) or web_address(found.pop("og_url", ""))
    found.pop("og_url", None)
    if address:
        found["url"] = address
    return found


def _title(page: LexborHTMLParser, og_title: str) -> str:
    """What `<title>` says without the site's name; "" leaves it to the first heading."""
    node: LexborNode | None = page.css_first("head title")
    title = one_line_of(node) if node is not None else ""
    title = title or og_title
    for heading in page.css("h1")[:5]:
        text = one_line_of(heading)
        if text and text in title:
            return text
    for part in _SITE_SEPARATOR.split(title):
        if part and part == og_title:
            return part
    return title
