"""Markdown: rendered to HTML and read as that, so that both share one reading of structure and
raw HTML inside Markdown hides nothing that HTML could not."""

from __future__ import annotations

import re
from collections.abc import MutableMapping, Sequence
from functools import cache
from textwrap import dedent
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token

from knowledge.converters.decoding import decode
from knowledge.converters.draft import DocumentDraft
from knowledge.converters.front_matter import split_front_matter
from knowledge.converters.html import write_fragment
from knowledge.errors import TooComplex
from knowledge.types import ConvertedDocument

MAX_NESTING = 100  # of quotes and lists; markdown-it goes silent below it, so we refuse there

MAX_INDENTED = 3  # lists within code within lists, which are read anew each time

_STRAY = re.compile(r"(?<!\w)\*\*|\*\*(?!\w)")
_ITEM = re.compile(r"\s*(?:[-*+]|\d{1,3}[.)])\s+[A-Za-z]")
_TAG_NAME = re.compile(r"</?([a-zA-Z][a-zA-Z0-9-]*)")
_KNOWN_TAGS = frozenset(
    [
        "a",
        "abbr",
        "article",
        "aside",
        "b",
        "bdi",
        "bdo",
        "big",
        "blockquote",
        "br",
        "button",
        "caption",
        "center",
        "cite",
        "code",
        "col",
        "colgroup",
        "dd",
        "del",
        "details",
        "dfn",
        "div",
        "dl",
        "dt",
        "em",
        "fieldset",
        "figcaption",
        "figure",
        "font",
        "footer",
        "form",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "header",
        "hr",
        "i",
        "iframe",
        "img",
        "input",
        "ins",
        "kbd",
        "label",
        "legend",
        "li",
        "main",
        "mark",
        "menu",
        "nav",
        "noscript",
        "object",
        "ol",
        "option",
        "p",
        "picture",
        "pre",
        "q",
        "rp",
        "rt",
        "ruby",
        "s",
        "samp",
        "script",
        "section",
        "select",
        "small",
        "source",
        "span",
        "strike",
        "strong",
        "style",
        "sub",
        "summary",
        "sup",
        "svg",
        "table",
        "tbody",
        "td",
        "template",
        "textarea",
        "tfoot",
        "th",
        "thead",
        "time",
        "tr",
        "tt",
        "u",
        "ul",
        "var",
        "video",
        "audio",
        "wbr",
    ]
)
_DEEP = re.compile(rf"^(?:[ \t]*(?:>|[-*+]|\d{{1,9}}[.)])){{{MAX_NESTING}}}", re.M)


def convert_markdown(data: bytes, *, name: str) -> ConvertedDocument:
    """CommonMark with tables and strikethrough; front matter gives title, url, visibility, updated.
    Raises TooComplex, EmptyDocument, DocumentTooLarge."""
    text = decode(data).replace("\r\n", "\n").replace("\r", "\n")
    metadata, body = split_front_matter(text)
    return document_of(body, metadata, name=name)


def document_of(body: str, metadata: dict[str, str], *, name: str) -> ConvertedDocument:
    """For what is Markdown once its own peculiarities are gone."""
    if _DEEP.search(body):
        raise TooComplex(f"quotes or lists nested deeper than {MAX_NESTING}")
    draft = DocumentDraft()
    write_fragment(_parser().render(body), draft)
    return draft.finish(name=name, title=metadata.pop("title", ""), metadata=metadata)


@cache
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": True, "maxNesting": MAX_NESTING})
    parser.enable(["table", "strikethrough"])
    parser.add_render_rule("html_inline", _html_inline)
    parser.add_render_rule("text", _text)
    parser.add_render_rule("code_block", _indented)
    return parser


def _text(
    renderer: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: MutableMapping[str, Any]
) -> str:
    """Emphasis that was opened and never closed is left as it was typed: nobody wants to read it."""
    return escapeHtml(_STRAY.sub("", tokens[index].content))


def _indented(
    renderer: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: MutableMapping[str, Any]
) -> str:
    """CommonMark takes four spaces for code; where a list item stands there, its author meant a list."""
    content = tokens[index].content
    depth = env.get("indented", 0)
    if depth < MAX_INDENTED and _ITEM.match(content):
        return str(_parser().render(dedent(content), {"indented": depth + 1}))
    return f"<pre><code>{escapeHtml(content)}</code></pre>\n"


def _html_inline(
    renderer: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: MutableMapping[str, Any]
) -> str:
    """`<your server>` is a placeholder that the author wants read, not an element."""
    content = tokens[index].content
    match = _TAG_NAME.match(content)
    if match and match.group(1).lower() not in _KNOWN_TAGS:
        return content.replace("&", "&amp;").replace("<", "&lt;")
    return content
