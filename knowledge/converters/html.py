"""HTML to blocks: what a reader of the page sees of its article, in order."""

from __future__ import annotations

import re

from bs4 import BeautifulSoup, Tag

from knowledge.converters.assembly import Assembler, one_line
from knowledge.converters.html_visibility import is_furniture, is_hidden
from knowledge.converters.html_walk import HEADINGS, Walk
from knowledge.converters.text import decode
from knowledge.types import ConvertedDocument

_CHARSET = re.compile(rb"charset\s*=\s*[\"']?\s*([A-Za-z0-9_:.-]{1,40})", re.IGNORECASE)
_META = {"visibility": "visibility", "updated": "updated", "article:modified_time": "updated"}


def convert_html(data: bytes, *, name: str) -> ConvertedDocument:
    """A page. Navigation, forms, scripts and hidden text are left out (the last with the warning
    `hidden_text`); a `main` or single `article` element, where there is one, is all that is read.

    Time is linear in the size of the page and the depth of nesting is not limited.
    Raises `EmptyDocument` and `DocumentTooLarge` (see `assembly`).
    """
    found = _CHARSET.search(data[:2048])
    soup = BeautifulSoup(decode(data, declared=found.group(1).decode("ascii") if found else ""), "lxml")
    assembler = Assembler(name)
    metadata = _metadata(soup)
    root = _article(soup)
    heading = next((one_line(h.get_text(" ")) for h in soup.find_all("h1", limit=1)), "")
    Walk(assembler).run(root)
    title = one_line(soup.title.get_text()) if soup.title else ""
    if heading and title.startswith(heading) and re.match(r"\s+[|·•–—:»-]\s", title[len(heading) :]):
        title = heading  # "Article | Name of the site"
    if title:
        metadata["title"] = title
    return assembler.finish(title=heading, metadata=metadata)


def add_markup(assembler: Assembler, markup: str) -> None:
    """The blocks of a fragment of HTML, all of it, put into `assembler`."""
    Walk(assembler).run(BeautifulSoup(markup, "lxml"))


def _metadata(soup: BeautifulSoup) -> dict[str, str]:
    found: dict[str, str] = {}
    for tag in soup.find_all("meta"):
        key = _META.get(str(tag.get("name") or tag.get("property") or "").lower())
        if key and key not in found and tag.get("content"):
            found[key] = str(tag["content"])
    for tag in soup.find_all("link"):
        if "canonical" in str(tag.get("rel") or "").lower() and tag.get("href"):
            found.setdefault("url", str(tag["href"]))
    return found


def _article(soup: BeautifulSoup) -> Tag:
    """The element that holds the article: `main`, else the only `article`, else the whole page."""
    for tags in (
        soup.find_all("main", limit=2),
        soup.find_all(attrs={"role": "main"}, limit=2),
        soup.find_all("article", limit=2),
    ):
        if len(tags) == 1 and not _out_of_sight(tags[0]) and len(tags[0].get_text(" ", strip=True).split()) >= 10:
            return tags[0]
    return soup.body or soup


def _out_of_sight(tag: Tag) -> bool:
    return any(is_hidden(each) or is_furniture(each, in_article=False) for each in (tag, *tag.parents))


__all__ = ["HEADINGS", "add_markup", "convert_html"]
