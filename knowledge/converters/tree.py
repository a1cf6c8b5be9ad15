"""HTML to a tree, and a walk over it that never recurses."""

from __future__ import annotations

import re
from collections.abc import Iterator

from selectolax.lexbor import LexborHTMLParser, LexborNode, SelectolaxError

from knowledge.errors import ConversionFailed, TooComplex

MAX_DEPTH = 1_000
MAX_COPIES = 2_000_000

_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)")
_RAW_TEXT = re.compile(r"<(script|style|textarea|title)\b.*?(?:</\1|$)|<!--.*?(?:-->|$)", re.S | re.I)
_UNNESTED = frozenset(
    [
        "area",
        "base",
        "br",
        "col",
        "embed",
        "hr",
        "img",
        "input",
        "link",
        "meta",
        "param",
        "source",
        "track",
        "wbr",
        "p",
        "li",
        "dt",
        "dd",
        "option",
        "optgroup",
        "tr",
        "td",
        "th",
        "thead",
        "tbody",
        "tfoot",
        "colgroup",
        "html",
        "head",
        "body",
        "rp",
        "rt",
    ]
)
_FORMATTING = frozenset(
    ["a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u"]
)


def parse_html(markup: str) -> LexborHTMLParser:
    """The tree that a browser would build. Raises TooComplex when elements nest deeper than
    MAX_DEPTH, or when unclosed formatting would be copied into more than MAX_COPIES places: the
    standard's tree construction is quadratic in both."""
    _refuse_costly(markup)
    try:
        return LexborHTMLParser(markup)
    except (SelectolaxError, ValueError) as error:
        raise ConversionFailed("the HTML cannot be read") from error


def _refuse_costly(markup: str) -> None:
    depth = formatting = copies = 0
    for match in _TAG.finditer(_RAW_TEXT.sub(" ", markup)):
        closes, tag = match.group(1), match.group(2).lower()
        if tag in _UNNESTED:
            copies += formatting
        elif closes:
            depth = max(depth - 1, 0)
            formatting = max(formatting - 1, 0) if tag in _FORMATTING else formatting
        else:
            depth += 1
            copies += formatting
            formatting += tag in _FORMATTING
        if depth > MAX_DEPTH:
            raise TooComplex(f"elements nested deeper than {MAX_DEPTH}")
        if copies > MAX_COPIES:
            raise TooComplex("formatting that is never closed")


def walk(root: LexborNode) -> Iterator[tuple[LexborNode, bool]]:
    """Every node below and including `root` in document order: (node, True) on the way in and, for
    elements, (node, False) on the way out. Do not change the tree meanwhile."""
    stack: list[tuple[LexborNode, bool]] = [(root, True)]
    while stack:
        node, entering = stack.pop()
        yield node, entering
        if not entering or not node.is_element_node:
            continue
        stack.append((node, False))
        children = []
        child = node.first_child
        while child is not None:
            children.append((child, True))
            child = child.next
        stack.extend(reversed(children))


def same(one: LexborNode, other: LexborNode) -> bool:
    """The same node of the tree. `==` compares what the two would print, which is slow."""
    return one.mem_id == other.mem_id


def text_of(node: LexborNode) -> str:
    """The text below `node`, a line end for each `<br>`, white space as it stands in the source."""
    parts = []
    for item, entering in walk(node):
        if entering and item.is_text_node:
            parts.append(item.text_content or "")
        elif entering and item.tag == "br":
            parts.append("\n")
    return "".join(parts)


def one_line_of(node: LexborNode) -> str:
    """`text_of` on one line, with a space between the blocks inside it."""
    parts = []
    for item, _ in walk(node):
        if item.is_text_node:
            parts.append(item.text_content or "")
        elif item.tag in ("br", "p", "div", "li", "td", "th", "tr", "dd", "dt", "pre"):
            parts.append(" ")
    return " ".join("".join(parts).split())
