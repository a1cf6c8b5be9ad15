"""A cleaned HTML tree to blocks of readable text."""

from __future__ import annotations

import re

from selectolax.lexbor import LexborNode

from knowledge.converters.draft import DocumentDraft
from knowledge.converters.tables import rows_of
from knowledge.converters.tree import same, text_of, walk
from knowledge.types import BlockKind

_SPACE = re.compile(r"[ \t\r\n\f\v\xa0]+")
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_LISTS = frozenset(("ul", "ol", "menu", "dir"))
_INLINE = frozenset(
    [
        "a",
        "abbr",
        "acronym",
        "b",
        "bdi",
        "bdo",
        "big",
        "cite",
        "code",
        "data",
        "del",
        "dfn",
        "em",
        "font",
        "i",
        "img",
        "ins",
        "kbd",
        "label",
        "mark",
        "nobr",
        "q",
        "rb",
        "rt",
        "rtc",
        "ruby",
        "s",
        "samp",
        "small",
        "span",
        "strike",
        "strong",
        "sub",
        "sup",
        "time",
        "tt",
        "u",
        "var",
        "wbr",
        "-text",
        "-comment",
    ]
)
_SILENT = frozenset(["img", "rp", "script", "style", "template", "head", "-comment"])
MAX_LAYOUT_TABLES = 5


class _Writer:
    """Gathers inline text and decides, at each block's edge, what it was."""

    def __init__(self, draft: DocumentDraft) -> None:
        self.draft = draft
        self.inline: list[str] = []
        self.heading = 0
        self.lists: list[int | None] = []  # the next number of each open list, None for bullets
        self.marker = ""
        self.lines: list[str] = []

    def flush(self) -> None:
        text = "".join(self.inline)
        self.inline = []
        if not text.strip():
            return
        if self.heading:
            self.end_list()
            self.draft.add(BlockKind.HEADING, text, level=self.heading)
        elif self.lists:
            self._item(text)
        else:
            self.draft.add(BlockKind.PARAGRAPH, text)

    def _item(self, text: str) -> None:
        indent = "  " * (len(self.lists) - 1)
        lines = [" ".join(line.split()) for line in text.split("\n")]
        lines = [line for line in lines if line]
        hanging = indent + ("  " if self.marker or self.lines else "")
        self.lines.append(indent + self.marker + lines[0] if self.marker else hanging + lines[0])
        self.lines.extend(hanging + line for line in lines[1:])
        self.marker = ""

    def end_list(self) -> None:
        if self.lines:
            self.draft.add(BlockKind.LIST, "\n".join(self.lines))
        self.lines = []

    def open_list(self, node: LexborNode) -> None:
        self.flush()
        first = node.attributes.get("start") or "1"
        number = int(first) if first.isdecimal() and len(first) < 6 else 1
        self.lists.append(number if node.tag == "ol" else None)

    def close_list(self) -> None:
        self.flush()
        self.lists.pop()
        self.marker = ""
        if not self.lists:
            self.end_list()

    def open_item(self) -> None:
        self.flush()
        if not self.lists:
            return
        number = self.lists[-1]
        self.marker = "- " if number is None else f"{number}. "
        self.lists[-1] = None if number is None else number + 1


def write_blocks(root: LexborNode, draft: DocumentDraft) -> None:
    """Add what is below `root` to `draft`. Lists become lines that begin with "- " or "1. ", indented
    by two spaces a level; a heading, a table or code within a list ends its block and the list goes
    on after it. A table of one column, or one that holds tables or headings, is layout: its cells
    are read one after another. Links leave their text, images nothing."""
    writer = _Writer(draft)
    skipped: LexborNode | None = None
    tables = 0
    for node, entering in walk(root):
        if skipped is not None:
            if not entering and same(node, skipped):
                skipped = None
            continue
        if node.is_text_node:
            writer.inline.append(_SPACE.sub(" ", node.text_content or ""))
            continue
        tag = node.tag or ""
        if tag in _SILENT or not node.is_element_node:
            skipped = node if entering and node.is_element_node else None
        elif entering and tag == "pre":
            writer.flush()
            writer.end_list()
            draft.add(BlockKind.CODE, text_of(node))
            skipped = node
        elif tag == "table":
            skipped = _table(node, writer, entering=entering, layout=tables >= MAX_LAYOUT_TABLES)
            if skipped is None:
                tables += 1 if entering else -1
        else:
            _edge(node, tag, writer, entering=entering)
    writer.flush()
    writer.end_list()


def _table(node: LexborNode, writer: _Writer, *, entering: bool, layout: bool) -> LexborNode | None:
    """The node to skip when it was written as a whole, None to read on inside it."""
    writer.flush()
    rows = rows_of(node) if entering and not layout else None
    if rows is None:
        return None
    writer.end_list()
    caption = node.css_first("caption")
    if caption is not None:
        writer.draft.add(BlockKind.PARAGRAPH, text_of(caption))
    writer.draft.add(BlockKind.TABLE, "\n".join(rows))
    return node


def _edge(node: LexborNode, tag: str, writer: _Writer, *, entering: bool) -> None:
    if tag == "br":
        if entering:
            writer.inline.append("\n")
    elif tag in _HEADINGS:
        writer.flush()
        writer.heading = _HEADINGS[tag] if entering else 0
    elif tag in _LISTS:
        writer.open_list(node) if entering else writer.close_list()
    elif tag == "li":
        writer.open_item() if entering else writer.flush()
    elif (tag in ("td", "th") and not entering) or tag not in _INLINE:
        writer.flush()
