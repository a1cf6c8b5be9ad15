"""The runs of a DOCX paragraph to text."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree.ElementTree import Element

from knowledge.converters.cleaning import HIDDEN_TEXT
from knowledge.converters.docx_styles import attribute, local_name, switched_on
from knowledge.converters.draft import DocumentDraft

# Removed by a tracked change; a second copy for old programs; what has its own place in the text.
_LEFT_OUT = frozenset(("del", "moveFrom", "Fallback", "txbxContent", "pPr", "rPr", "instrText", "delText", "tbl"))
_NEAR_WHITE = frozenset(("FFFFFF", "FEFEFE", "FDFDFD", "FCFCFC", "FBFBFB", "FAFAFA"))


class ParagraphReader:
    """Reads text and drops what a reader of the page cannot see, with a warning (P2)."""

    def __init__(self, draft: DocumentDraft) -> None:
        self._draft = draft

    def text(self, paragraph: Element, *, in_table: bool = False) -> str:
        """White text on a ground that nothing colours is dropped; in a table, whose style may colour
        it, white text is kept and warned of."""
        parts: list[str] = []
        coloured = in_table or any(local_name(child) == "shd" for child in _properties(paragraph, "pPr"))
        stack = list(reversed(paragraph))
        while stack:
            element = stack.pop()
            kind = local_name(element)
            if kind == "t":
                parts.append(element.text or "")
            elif kind in ("br", "cr"):
                parts.append("\n" if attribute(element, "type") != "page" else " ")
            elif kind in ("tab", "ptab"):
                parts.append(" ")
            elif kind == "noBreakHyphen":
                parts.append("-")
            elif kind in ("footnoteReference", "endnoteReference"):
                parts.append(f"[{attribute(element, 'id')}]")
            elif kind == "r" and (_unseen(element) or (_white(element) and not coloured)):
                self._warn_if_it_speaks(element)
            elif kind not in _LEFT_OUT:
                if kind == "r" and in_table and _white(element):
                    self._warn_if_it_speaks(element)
                stack.extend(reversed(element))
        return "".join(parts)

    def _warn_if_it_speaks(self, run: Element) -> None:
        if any((part.text or "").strip() for part in run.iter() if local_name(part) == "t"):
            self._draft.warn(HIDDEN_TEXT)

    def cell(self, cell: Element) -> str:
        texts = (self.text(element, in_table=True) for element in cell.iter() if local_name(element) == "p")
        return " ".join(" ".join(texts).split())

    def text_boxes(self, paragraph: Element) -> Iterator[list[Element]]:
        """The paragraphs of each text box anchored in `paragraph`."""
        stack = list(reversed(paragraph))
        while stack:
            element = stack.pop()
            kind = local_name(element)
            if kind == "txbxContent":
                yield [child for child in element.iter() if local_name(child) == "p"]
            elif kind not in ("Fallback", "del", "moveFrom"):
                stack.extend(reversed(element))


def _unseen(run: Element) -> bool:
    """Marked as hidden, or one or two points small."""
    for child in _properties(run, "rPr"):
        kind = local_name(child)
        if kind == "vanish" and switched_on(child):
            return True
        if kind == "sz" and attribute(child, "val").isdecimal() and int(attribute(child, "val")) <= 4:  # half points
            return True
    return False


def _white(run: Element) -> bool:
    colour = shaded = False
    for child in _properties(run, "rPr"):
        kind = local_name(child)
        colour = colour or (kind == "color" and attribute(child, "val").upper() in _NEAR_WHITE)
        shaded = shaded or kind in ("highlight", "shd")
    return colour and not shaded


def _properties(element: Element, name: str) -> Element | tuple[Element, ...]:
    return next((child for child in element if local_name(child) == name), ())
