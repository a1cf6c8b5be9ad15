"""AsciiDoc: block by block to HTML, and read as that, like Markdown.

A reader of our own: the language's own programs are under other licences or in other languages. It knows
what articles are made of: titles, paragraphs, lists, description lists, delimited blocks, tables,
admonitions, attributes. `include` is never followed.

Does not know: tables within tables, cells that span, callouts' links, conditions (both branches are read).
"""

from __future__ import annotations

import re
from html import escape

from knowledge.converters.asciidoc_inline import inline, with_attributes
from knowledge.converters.decoding import decode
from knowledge.converters.draft import DocumentDraft
from knowledge.converters.front_matter import split_front_matter
from knowledge.converters.html import write_fragment
from knowledge.errors import TooComplex
from knowledge.types import ConvertedDocument

MAX_NESTING = 30
LEFT_OUT = "includes_left_out"

_TITLE = re.compile(r"(={1,6}|#{1,6})[ \t]+(\S.*)$")
_SET = re.compile(r":(!?[\w-]{1,60}!?):(?:[ \t]+(.*))?$")
_FENCE = re.compile(r"(-{4,}|\.{4,}|={4,}|\*{4,}|_{4,}|\+{4,}|/{4,}|--|```\w*|[|,:!]={3,})[ \t]*$")
_META = re.compile(r"\[[^\]\n]{0,300}\][ \t]*$")
_BLOCK_TITLE = re.compile(r"\.([^\s.].*)$")
_MACRO = re.compile(r"(?:image|video|audio|toc|ifdef|ifndef|ifeval|endif|include)::.*\[.*\][ \t]*$|toc::\[\]$")
_ITEM = re.compile(r"[ \t]*(\*{1,5}|-|\.{1,5}|\d{1,4}\.|[a-zA-Z]\.|<(?:\d{1,3}|\.)>)[ \t]+(\S.*)$")
_TERM = re.compile(r"[ \t]*(\S.{0,300}?)(:{2,4}|;;)(?:[ \t]+(.*))?$")
_ADMONITION = re.compile(r"(NOTE|TIP|IMPORTANT|WARNING|CAUTION):[ \t]+(.*)$")
_CELL = re.compile(r"(?:^|(?<=\s))(?:\d+\*)?(?:[.\d]*\+)?[<>^.]{0,3}[aehlmsdv]?\|")
_CHECK = re.compile(r"\[[ x*]\][ \t]+")
_VERBATIM = ("-", ".", "`")


def convert_asciidoc(data: bytes, *, name: str) -> ConvertedDocument:
    """Raises TooComplex, EmptyDocument, DocumentTooLarge."""
    text = decode(data).replace("\r\n", "\n").replace("\r", "\n").replace("\t", "    ")
    metadata, text = split_front_matter(text)
    draft = DocumentDraft()
    reader = _Reader()
    reader.read(text.split("\n"), 0)
    if reader.includes:
        draft.warn(LEFT_OUT)
    write_fragment("".join(reader.html), draft)
    return draft.finish(name=name, title=metadata.pop("title", ""), metadata=metadata)


class _Reader:
    """Writes HTML of lines; a delimited block's lines are read by the same reader, a level deeper."""

    def __init__(self) -> None:
        self.html: list[str] = []
        self.attributes: dict[str, str] = {}
        self.includes = False
        self.lists: list[tuple[str, str]] = []  # marker and tag of each open list
        self.style = ""

    def read(self, lines: list[str], depth: int) -> None:
        if depth > MAX_NESTING:
            raise TooComplex(f"blocks nested deeper than {MAX_NESTING}")
        at = 0
        while at < len(lines):
            at = self._block(lines, at, depth)
        self._end_lists()

    def _block(self, lines: list[str], at: int, depth: int) -> int:
        """Writes what begins at the line; returns where the next begins."""
        line = lines[at].rstrip()
        if not line:
            return self._blank(lines, at)
        if line == "+" and self.lists:  # the next block goes on with the item
            return at + 1
        if match := _FENCE.match(line):
            return self._delimited(lines, at, match.group(1), depth)
        if line.startswith("//") or _META.match(line):
            self.style = line if line.startswith("[") else self.style
            return at + 1
        if match := _SET.match(line):
            self._set(match.group(1), match.group(2) or "")
            return at + 1
        if _MACRO.match(line):
            self.includes = self.includes or line.startswith("include")
            return at + 1
        if match := _TITLE.match(line):
            self._end_lists()
            level = len(match.group(1))
            self.html.append(f"<h{level}>{self._inline(match.group(2))}</h{level}>")
            return self._skip_author(lines, at + 1) if level == 1 and at == 0 else at + 1
        if (match := _BLOCK_TITLE.match(line)) and not _ITEM.match(line):
            self._end_lists()
            self.html.append(f"<p>{self._inline(match.group(1))}</p>")
            return at + 1
        return self._text(lines, at)

    def _blank(self, lines: list[str], at: int) -> int:
        """A list goes on over blank lines for as long as items follow."""
        while at < len(lines) and not lines[at].strip():
            at += 1
        following = lines[at] if at < len(lines) else ""
        if self.lists and not (_ITEM.match(following) or _TERM.match(following) or following.strip() == "+"):
            self._end_lists()
        self.style = ""
        return at

    def _text(self, lines: list[str], at: int) -> int:
        line = lines[at].rstrip()
        if match := _ITEM.match(line):
            self._open_item(match.group(1), "ol" if match.group(1)[-1] == "." else "ul")
            body, at = self._run(lines, at + 1, _CHECK.sub("", match.group(2)))
            self.html.append(body)
        elif (match := _TERM.match(line)) and not line.startswith("http"):
            self._open_item(match.group(2), "dl")
            self.html.append(f"<dt>{self._inline(match.group(1))}</dt><dd>")
            following = lines[at + 1] if at + 1 < len(lines) else ""
            if match.group(3) or (following.strip() and not _FENCE.match(following)):
                body, at = self._run(lines, at + 1, match.group(3) or "")
                self.html.append(body)
            else:
                at += 1
            self.html.append("</dd>")
        elif line.startswith(" ") and not self.lists:
            body, at = self._indented(lines, at)
            self.html.append(f"<pre>{escape(body)}</pre>")
        else:
            match = _ADMONITION.match(line)
            body, at = self._run(lines, at + 1, f"{match.group(1).capitalize()}: {match.group(2)}" if match else line)
            self.html.append(f"<p>{body}</p>")
        return at

    def _run(self, lines: list[str], at: int, first: str) -> tuple[str, int]:
        """The rest of a paragraph: up to a blank line or what begins another block."""
        found = [self._inline(first)] if first else []
        while at < len(lines) and (line := lines[at].rstrip()):
            if line == "+" or _FENCE.match(line) or _META.match(line) or (self.lists and _begins_item(line)):
                break
            if not line.startswith("//"):
                found.append(self._inline(line.strip()))
            at += 1
        return "\n".join(found), at

    @staticmethod
    def _indented(lines: list[str], at: int) -> tuple[str, int]:
        start = at
        while at < len(lines) and lines[at].startswith(" "):
            at += 1
        return "\n".join(lines[start:at]), at

    def _delimited(self, lines: list[str], at: int, fence: str, depth: int) -> int:
        closing = "```" if fence.startswith("```") else fence
        end = next((i for i in range(at + 1, len(lines)) if lines[i].rstrip() == closing), len(lines))
        content = lines[at + 1 : end]
        kind = fence[0]
        if fence.endswith("===") and kind in "|,:!":
            self._end_lists()
            self._table(content, kind)
        elif kind == "/" or kind == "+":  # a comment; or HTML for the page, which nobody here reads
            pass
        elif kind in _VERBATIM and fence != "--":
            self.html.append(f"<pre>{escape(with_attributes(chr(10).join(content), {}))}</pre>")
        else:
            outer, self.lists = self.lists, []
            self.html.append("<blockquote>" if kind == "_" else "<div>")
            if match := re.match(r"\[(NOTE|TIP|IMPORTANT|WARNING|CAUTION)\]", self.style):
                self.html.append(f"<p>{match.group(1).capitalize()}:</p>")
            self.style = ""
            self.read(content, depth + 1)
            self.html.append("</blockquote>" if kind == "_" else "</div>")
            self.lists = outer
        return end + 1

    def _table(self, content: list[str], kind: str) -> None:
        """Rows by line; where the first line has fewer cells than `cols` says, by that number."""
        columns = _columns(self.style)
        rows: list[list[str]] = []
        for line in content:
            cells = line.split(kind) if kind in ",:" else _CELL.split(line)[1:] if _CELL.search(line) else []
            if cells:
                if columns and rows and len(rows[-1]) < columns:
                    rows[-1].extend(cells)
                else:
                    rows.append(cells)
            elif line.strip() and rows:
                rows[-1][-1] += " " + line
        self.html.append("<table>")
        for row in rows:
            self.html.append("<tr>" + "".join(f"<td>{self._inline(cell.strip())}</td>" for cell in row) + "</tr>")
        self.html.append("</table>")
        self.style = ""

    def _open_item(self, marker: str, tag: str) -> None:
        marker = "." if marker[-1] == "." and marker[0] != "." else marker
        markers = [known for known, _ in self.lists]
        if marker in markers:
            while self.lists[-1][0] != marker:
                self._end_list()
        elif len(self.lists) > MAX_NESTING:
            raise TooComplex(f"lists nested deeper than {MAX_NESTING}")
        else:
            self.lists.append((marker, tag))
            self.html.append(f"<{tag}>")
        if tag != "dl":
            self.html.append("<li>")

    def _end_list(self) -> None:
        self.html.append(f"</{self.lists.pop()[1]}>")

    def _end_lists(self) -> None:
        while self.lists:
            self._end_list()

    def _set(self, name: str, value: str) -> None:
        if name.startswith("!") or name.endswith("!"):
            self.attributes.pop(name.strip("!").lower(), None)
        elif len(self.attributes) < 1000:
            self.attributes[name.lower()] = with_attributes(value, self.attributes)[:500]

    def _inline(self, text: str) -> str:
        return inline(text, self.attributes)

    @staticmethod
    def _skip_author(lines: list[str], at: int) -> int:
        """The lines below the document's title name its author and revision."""
        for _ in range(2):
            line = lines[at].strip() if at < len(lines) else ""
            if line and (re.search(r"<[^<>@\s]+@[^<>\s]+>$", line) or re.match(r"v?\d+(?:\.\d+)+\b|v\d", line)):
                at += 1
        return at


def _begins_item(line: str) -> bool:
    return bool(_ITEM.match(line) or _TERM.match(line))


def _columns(style: str) -> int:
    match = re.search(r"cols\s*=\s*[\"']?([^\"'\]]+)", style)
    if not match:
        return 0
    repeated = re.match(r"\s*(\d{1,3})\*", match.group(1))
    if repeated:
        return int(repeated.group(1))
    return match.group(1).count(",") + 1
