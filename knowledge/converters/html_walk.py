"""One pass over a tree of HTML that tells its blocks to an `Assembler`. No recursion."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bs4 import NavigableString, Tag
from bs4.element import PreformattedString

from knowledge.converters.assembly import Assembler, one_line
from knowledge.converters.html_visibility import NEVER_SHOWN, is_furniture, is_hidden
from knowledge.types import BlockKind

HEADINGS = {f"h{level}": level for level in range(1, 7)}
_BLOCKS = frozenset(
    ("address", "article", "blockquote", "body", "caption", "center", "dd", "details", "div", "dl", "dt", "fieldset")
    + ("figcaption", "figure", "form", "header", "hgroup", "hr", "html", "legend", "main", "p", "section", "summary")
    + ("tbody", "tfoot", "thead", "aside", "footer", "nav")
)
_MAX_INDENT = 8  # levels of a list that are still shown as indents
_LINE = re.compile(r"[ \t\r\f]*\n[ \t\r\f]*")
_BREAK = "\u2028"  # a `br` while white space still means nothing


class Walk:
    """The state of the pass: the running text, the open lists, the open table.

    A list or table that holds headings (or a table that holds a table) is layout: its parts are
    read as if it were not there.
    """

    def __init__(self, assembler: Assembler) -> None:
        self._out = assembler
        self._text: list[str] = []
        self._lists: list[int | None] = []  # the next number of each open list, None for bullets
        self._marker: str | None = None  # of an item that has no text yet
        self._lines: list[str] = []  # of the outermost open list
        self._table: Tag | None = None
        self._rows: list[list[str]] = []
        self._pre: Tag | None = None
        self._heading: Tag | None = None
        self._layout: set[int] = set()
        self._with_headings: set[int] = set()

    def run(self, root: Tag) -> None:
        self._mark_layout(root)
        in_article = root.name in ("main", "article") or root.get("role") == "main"
        for tag, entering in self._visible(root, in_article):
            if isinstance(tag, NavigableString):
                self._text.append(str(tag))
            elif entering:
                self._enter(tag)
            else:
                self._leave(tag)
        self._flush()

    def _visible(self, root: Tag, in_article: bool) -> Iterator[tuple[Tag | NavigableString, bool]]:
        """Each element on the way in and on the way out, and each string, hidden ones left out."""
        stack: list[tuple[Tag | NavigableString, bool, bool]] = [(root, True, in_article)]
        while stack:
            node, entering, inside = stack.pop()
            if isinstance(node, NavigableString):
                if not isinstance(node, PreformattedString):  # comments, doctypes, CDATA
                    yield node, True
                continue
            if not isinstance(node, Tag):
                continue
            if not entering:
                yield node, False
                continue
            if node.name in NEVER_SHOWN or is_furniture(node, in_article=inside):
                continue
            if node.name == "form" and id(node) not in self._with_headings:
                continue  # a form around the whole page, as ASP.NET writes it, is no form
            if is_hidden(node):
                if node.get_text(strip=True):
                    self._out.warn("hidden_text")
                continue
            yield node, True
            stack.append((node, False, inside))
            inside = inside or node.name in ("main", "article")
            stack.extend((child, True, inside) for child in reversed(node.contents))  # type: ignore[misc]

    def _mark_layout(self, root: Tag) -> None:
        """Every ancestor of a heading or table, found by climbing until a marked one: linear."""
        for tag in root.find_all([*HEADINGS, "table"]):
            marked = self._layout if tag.name == "table" else self._with_headings
            parent = tag.parent
            while parent is not None and id(parent) not in marked:
                marked.add(id(parent))
                parent = parent.parent

    def _is_list(self, tag: Tag) -> bool:
        return tag.name in ("ul", "ol", "menu") and id(tag) not in self._with_headings and self._table is None

    def _is_table(self, tag: Tag) -> bool:
        return tag.name == "table" and id(tag) not in self._layout and id(tag) not in self._with_headings

    def _enter(self, tag: Tag) -> None:
        name = tag.name
        if name == "br":
            self._text.append("\n" if self._pre is not None else _BREAK)
        elif name == "li" and self._lists:
            self._flush()
            self._marker = self._next_marker(tag)
        elif self._is_list(tag):
            self._flush()
            self._lists.append(_start(tag) if name == "ol" else None)
        elif name == "table" and self._is_table(tag):
            self._flush()
            self._table, self._rows = tag, []
        elif self._table is not None:
            self._enter_in_table(name)
        elif name == "pre" and self._pre is None:
            self._flush()
            self._pre = tag
        elif name in HEADINGS:
            self._flush()
            self._heading = tag
        elif name in _BLOCKS or name in ("table", "tr", "td", "th", "ul", "ol", "menu", "li"):
            self._flush()

    def _enter_in_table(self, name: str) -> None:
        if name == "tr":
            self._text.clear()
            self._rows.append([])
        elif name in ("td", "th"):
            self._text.clear()
        elif name in _BLOCKS or name in ("li", "pre"):
            self._text.append(" ")

    def _leave(self, tag: Tag) -> None:
        name = tag.name
        if tag is self._table:
            self._close_table()
        elif self._table is not None:
            self._leave_in_table(name)
        elif tag is self._pre:
            self._close_pre()
        elif tag is self._heading:
            self._out.add(BlockKind.HEADING, self._taken(), level=HEADINGS[name])
            self._heading = None
        elif self._is_list(tag):
            self._flush()
            self._lists.pop()
            if not self._lists:
                self._out.add(BlockKind.LIST, "\n".join(self._lines))
                self._lines = []
                self._marker = None
        elif name in _BLOCKS or name in ("tr", "td", "th", "li", "ul", "ol", "menu", "table"):
            self._flush()

    def _leave_in_table(self, name: str) -> None:
        if name in ("td", "th"):
            if not self._rows:
                self._rows.append([])
            self._rows[-1].append(one_line(self._taken()))
        elif name == "caption":
            self._rows.append([one_line(self._taken())])
        elif name in _BLOCKS or name in ("li", "pre"):
            self._text.append(" ")

    def _close_table(self) -> None:
        rows = [" | ".join(row).strip() for row in self._rows if any(row)]
        self._table, self._rows = None, []
        self._text.clear()
        if self._lists:
            for row in rows:
                self._line(row)
        else:
            self._out.add(BlockKind.TABLE, "\n".join(rows))

    def _close_pre(self) -> None:
        text = "".join(self._text).replace("\r\n", "\n")
        self._text.clear()
        self._pre = None
        if self._lists:
            for line in text.strip("\n").split("\n"):
                self._line(line)
        elif self._heading is None:
            self._out.add(BlockKind.CODE, text)

    def _taken(self) -> str:
        text = " ".join("".join(self._text).replace(_BREAK, "\0").split())
        self._text.clear()
        return _LINE.sub("\n", text.replace("\0", "\n")).strip()

    def _flush(self) -> None:
        if not self._text or self._pre is not None or self._heading is not None or self._table is not None:
            return
        text = self._taken()
        if not text:
            return
        if not self._lists:
            self._out.add(BlockKind.PARAGRAPH, text)
            return
        for line in text.split("\n"):
            self._line(line)

    def _line(self, text: str) -> None:
        """A line of the open list, with its marker or under it."""
        indent = "  " * (min(len(self._lists), _MAX_INDENT) - 1)
        if self._marker is not None:
            self._lines.append(f"{indent}{self._marker}{text}")
            self._marker = None
        else:
            self._lines.append(f"{indent}  {text}" if self._lines else text)

    def _next_marker(self, tag: Tag) -> str:
        number = self._lists[-1]
        if number is None:
            return "- "
        value = _number(str(tag.get("value") or ""), number)
        self._lists[-1] = value + 1
        return f"{value}. "


def _start(tag: Tag) -> int:
    return _number(str(tag.get("start") or ""), 1)


def _number(text: str, otherwise: int) -> int:
    return int(text) if re.fullmatch(r"[0-9]{1,6}", text) else otherwise
