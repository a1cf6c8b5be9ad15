"""Markdown by way of HTML, so that one set of rules decides what is hidden and what is a block."""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence

import yaml
from markdown_it import MarkdownIt
from markdown_it.common.html_blocks import block_names
from markdown_it.common.utils import escapeHtml
from markdown_it.token import Token

from knowledge.converters.assembly import Assembler
from knowledge.converters.html import add_markup
from knowledge.converters.text import decode
from knowledge.errors import TooComplex
from knowledge.types import ConvertedDocument

_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(.{0,20000}?)\n(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_KEYS = {"title": "title", "url": "url", "source_url": "url", "visibility": "visibility", "updated": "updated"}
_TAG_NAME = re.compile(r"</?([A-Za-z][A-Za-z0-9-]*)")
_INLINE = (
    "a abbr b bdi bdo br cite code del dfn em font i img input ins kbd label mark q s samp small span strong "
    "sub sup time tt u var wbr"
).split()
_KNOWN = frozenset(block_names) | {
    *_INLINE, "script", "style", "svg", "button", "select", "option", "textarea", "template", "object", "video", "audio",
    "picture", "noscript", "pre", "embed", "canvas", "hgroup", "bdi", "big", "strike", "ruby", "rt", "rp", "dialog",
}  # fmt: skip


def convert_markdown(data: bytes, *, name: str) -> ConvertedDocument:
    """CommonMark with tables. YAML front matter gives `title`, `url`, `visibility` and `updated`.

    Front matter that is no YAML mapping is left in the text, where its author will see it.
    Raises `TooComplex` where lists and quotes are nested beyond what the parser takes.
    """
    assembler = Assembler(name)
    source = assembler.cleaned(decode(data))
    metadata, body = _front_matter(source)
    try:
        markup = _parser().render(body)
    except RecursionError as error:
        raise TooComplex("Markdown nested too deeply") from error
    add_markup(assembler, markup)
    return assembler.finish(metadata=metadata)


def _front_matter(source: str) -> tuple[dict[str, str], str]:
    found = _FRONT_MATTER.match(source.lstrip("\n"))
    if not found:
        return {}, source
    # An alias is the one thing that lets a small file grow (threat F3); no front matter needs one.
    if re.search(r"(?:^|[\s\[{,])[&*][A-Za-z0-9]", found.group(1)):
        return {}, source
    try:
        values = yaml.safe_load(found.group(1))
    except (yaml.YAMLError, ValueError, RecursionError):
        return {}, source
    if not isinstance(values, dict):
        return {}, source
    metadata: dict[str, str] = {}
    for key, value in values.items():
        if isinstance(key, str) and key.lower() in _KEYS and isinstance(value, str | int | float | datetime.date):
            metadata.setdefault(_KEYS[key.lower()], str(value))
    return metadata, source.lstrip("\n")[found.end() :]


def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"maxNesting": 100}).enable(["table", "strikethrough"])
    parser.add_render_rule("html_inline", _html_inline)
    return parser


def _html_inline(_: object, tokens: Sequence[Token], index: int, options: object, env: object) -> str:
    """`<your name>` in a sentence is a placeholder; only elements of HTML are markup."""
    content = tokens[index].content
    tag = _TAG_NAME.match(content)
    return escapeHtml(content) if tag and tag.group(1).lower() not in _KNOWN else content
