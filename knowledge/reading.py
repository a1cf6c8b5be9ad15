"""An article as a reader sees it: a version's blocks as HTML, with one quote marked in it.

Everything from the document is escaped; no markup of the document itself is ever passed on (O3),
and nothing in it is fetched or linked (O1, S10).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

LINE = re.compile(r"[^\n]+")
ITEM = re.compile(r"\s*(?:[-*•]|(\d+)[.)])\s+")
RULE = re.compile(r"[\s|:+-]+")


@dataclass
class _Page:
    """The text and the quote in it; the first mark made carries the id that pages scroll to."""

    text: str
    start: int
    end: int
    marked: bool = False

    def part(self, start: int, end: int) -> str:
        """`text[start:end]` escaped, with the quote's share of it marked."""
        low, high = max(start, self.start), min(end, self.end)
        if low >= high or not self.text[low:high].strip():
            return escape(self.text[start:end])
        name = "" if self.marked else ' id="quote" tabindex="-1"'
        self.marked = True
        before, quote, after = self.text[start:low], self.text[low:high], self.text[high:end]
        return f"{escape(before)}<mark{name}>{escape(quote)}</mark>{escape(after)}"


def article_html(text: str, blocks: Sequence[Sequence[object]], start: int = 0, end: int = 0) -> SafeString:
    """Blocks are [kind, start, end, level, page]; `start` and `end` bound the quote, as characters
    of `text`. Equal bounds mark nothing."""
    page = _Page(text, max(start, 0), min(end, len(text)))
    spans = [(str(b[0]), int(str(b[1])), int(str(b[2])), int(str(b[3] or 0))) for b in blocks]
    html = "\n".join(_block(page, *span) for span in spans or [("paragraph", 0, len(text), 0)])
    return mark_safe(html)  # noqa: S308 - put together from escaped parts alone


def _block(page: _Page, kind: str, start: int, end: int, level: int) -> str:
    if kind == "heading":
        # The page's own title is the h1, and the article's levels begin below it.
        text = page.part(start + _hashes(page.text[start:end]), end)
        rank = min(max(level, 1) + 1, 6)
        return f"<h{rank}>{text}</h{rank}>"
    if kind == "code":
        return f'<pre tabindex="0"><code>{page.part(start, end)}</code></pre>'
    if kind == "table":
        return _table(page, start, end)
    if kind == "list":
        return _list(page, start, end)
    return f"<p>{page.part(start, end)}</p>"


def _hashes(text: str) -> int:
    match = re.match(r"#{1,6}\s+", text)
    return match.end() if match else 0


def _lines(page: _Page, start: int, end: int) -> Iterator[tuple[int, int]]:
    for match in LINE.finditer(page.text, start, end):
        if match.group().strip():
            yield match.start(), match.end()


def _list(page: _Page, start: int, end: int) -> str:
    """Flat: items at any depth follow one another, with their numbers where they have some."""
    items: list[str] = []
    numbered = False
    for index, (low, high) in enumerate(_lines(page, start, end)):
        match = ITEM.match(page.text, low, high)
        number = match.group(1) if match else None
        numbered = numbered or (index == 0 and number is not None)
        value = f' value="{int(number)}"' if number and numbered else ""
        items.append(f"<li{value}>{page.part(match.end() if match else low, high)}</li>")
    tag = "ol" if numbered else "ul"
    return f"<{tag}>{''.join(items)}</{tag}>"


def _table(page: _Page, start: int, end: int) -> str:
    rows = [row for row in _lines(page, start, end) if not RULE.fullmatch(page.text, *row)]
    if not rows:
        return ""
    head = _row(page, "th scope=col", _cells(page, *rows[0]))
    body = "".join(_row(page, "td", _cells(page, *row)) for row in rows[1:])
    return f'<div class="scroll" tabindex="0"><table><thead>{head}</thead><tbody>{body}</tbody></table></div>'


def _cells(page: _Page, start: int, end: int) -> Iterable[tuple[int, int]]:
    line = page.text[start:end]
    low = start + (len(line) - len(line.lstrip()))
    high = end - (len(line) - len(line.rstrip()))
    if high - low > 1 and page.text[low] == page.text[high - 1] == "|":
        low, high = low + 1, high - 1  # a border; a bar at one end alone bounds an empty cell
    position = low
    for match in re.finditer(r"[|\t]", page.text[low:high]):
        yield _trimmed(page.text, position, low + match.start())
        position = low + match.end()
    yield _trimmed(page.text, position, high)


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    part = text[start:end]
    return start + len(part) - len(part.lstrip()), end - len(part) + len(part.rstrip())


def _row(page: _Page, tag: str, cells: Iterable[tuple[int, int]]) -> str:
    name = tag.split()[0]
    return "<tr>" + "".join(f"<{tag}>{page.part(*cell)}</{name}>" for cell in cells) + "</tr>"
