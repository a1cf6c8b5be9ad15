"""One PDF page to lines with size, place and weight, without what a reader cannot see (P2)."""

from __future__ import annotations

import ctypes
import re
from collections import Counter
from dataclasses import dataclass

import pypdfium2 as pdfium
import pypdfium2.raw as raw

MAX_CHARACTERS_PER_PAGE = 200_000
INVISIBLE_MODE = 3  # PDF text rendering mode "neither fill nor stroke"

_LIGHT = 240  # of 255: a fill as light as this does not show on paper
_TINY = 1.5  # points
_CELL_GAP = 2.0  # widths of type: wider than any space that justifies a line
_FIXED_PITCH = 1  # PDF font descriptor flag
_MONO = re.compile(rb"courier|mono|consol|typewriter|cmtt", re.I)


@dataclass(frozen=True)
class Line:
    """A line of text as the page has it; places in points from the lower left corner."""

    text: str
    left: float
    right: float
    bottom: float
    top: float
    size: float
    bold: bool
    page: int
    mono: bool = False

    @property
    def height(self) -> float:
        return max(self.top - self.bottom, 1.0)


@dataclass(frozen=True)
class PageText:
    """`hidden` counts characters left out; `invisible` those drawn in mode 3, which are the only
    text of a scan that was recognised (OCR), and are then `lines` all the same."""

    lines: tuple[Line, ...]
    hidden: int
    images: bool


@dataclass(frozen=True)
class Character:
    code: str
    left: float
    bottom: float
    right: float
    top: float
    size: float
    bold: bool
    unseen: bool
    layer: bool
    mono: bool = False


def read_page(page: pdfium.PdfPage, number: int) -> PageText:
    """Raises pdfium.PdfiumError when the page cannot be read."""
    shown, hidden, images = visible_characters(page)
    return PageText(tuple(_lines(shown, number)), hidden, images)


def visible_characters(page: pdfium.PdfPage) -> tuple[list[Character], int, bool]:
    """Those that a reader sees, how many were left out because none does, and whether there are images."""
    textpage = page.get_textpage()
    try:
        count = min(textpage.count_chars(), MAX_CHARACTERS_PER_PAGE)
        reader = _Reader(page, textpage)
        characters = [reader.read(index) for index in range(count)]
    finally:
        textpage.close()
    images = any(True for _ in page.get_objects(filter=[raw.FPDF_PAGEOBJ_IMAGE], max_depth=2))
    printed = [character for character in characters if character.code.strip()]
    layer = sum(character.layer for character in printed)
    recognised = images and layer > 0.8 * len(printed)
    shown = [c for c in characters if not c.unseen and (recognised or not c.layer)]
    hidden = sum(c.unseen or (c.layer and not recognised) for c in printed)
    return shown, hidden, images


class _Reader:
    """Asks pdfium about one character at a time; buffers are made once."""

    def __init__(self, page: pdfium.PdfPage, textpage: pdfium.PdfTextPage) -> None:
        self._page = page
        self._raw = textpage.raw
        self._box = page.get_bbox()
        self._rect = raw.FS_RECTF()
        self._colour = [ctypes.c_uint() for _ in range(4)]
        self._modes: dict[int, int] = {}
        self._monos: dict[tuple[int, float], bool] = {}
        self._grounds: list[tuple[float, float, float, float]] | None = None

    def read(self, index: int) -> Character:
        code = raw.FPDFText_GetUnicode(self._raw, index)
        text = chr(code) if 0 < code < 0x110000 else ""
        if text == "\ufffe":  # a hyphen at a line's end, by pdfium's own guess
            text = "-"
        raw.FPDFText_GetLooseCharBox(self._raw, index, self._rect)
        left, bottom, right, top = self._rect.left, self._rect.bottom, self._rect.right, self._rect.top
        if not text.strip() or raw.FPDFText_IsGenerated(self._raw, index):
            return Character(text, left, bottom, right, top, 0.0, False, False, False)
        size = abs(top - bottom)
        unseen = 0 < size < _TINY or self._outside(left, bottom, right, top) or self._white(index, left, bottom)
        weight = raw.FPDFText_GetFontWeight(self._raw, index)
        layer = self._mode(index) == INVISIBLE_MODE
        nominal = raw.FPDFText_GetFontSize(self._raw, index)
        mono = self._mono(index, nominal)
        return Character(text, left, bottom, right, top, size or nominal, weight >= 600, unseen, layer, mono)

    def _mono(self, index: int, nominal: float) -> bool:
        """By the flags and the name of the font, asked once for each text object."""
        found = raw.FPDFText_GetTextObject(self._raw, index)
        key = (ctypes.addressof(found.contents) if found else index, nominal)
        if key not in self._monos:
            flags = ctypes.c_int()
            name = ctypes.create_string_buffer(128)
            raw.FPDFText_GetFontInfo(self._raw, index, name, 128, flags)
            self._monos[key] = bool(flags.value & _FIXED_PITCH) or bool(_MONO.search(name.value))
        return self._monos[key]

    def _mode(self, index: int) -> int:
        found = raw.FPDFText_GetTextObject(self._raw, index)
        if not found:
            return 0
        address = ctypes.addressof(found.contents)
        if address not in self._modes:
            self._modes[address] = raw.FPDFTextObj_GetTextRenderMode(found)
        return self._modes[address]

    def _outside(self, left: float, bottom: float, right: float, top: float) -> bool:
        page_left, page_bottom, page_right, page_top = self._box
        return bool(right < page_left or left > page_right or top < page_bottom or bottom > page_top)

    def _white(self, index: int, left: float, bottom: float) -> bool:
        """White or clear, and nothing dark was painted where it stands."""
        red, green, blue, alpha = self._colour
        if not raw.FPDFText_GetFillColor(self._raw, index, red, green, blue, alpha):
            return False
        if int(alpha.value) == 0:
            return True
        if min(red.value, green.value, blue.value) < _LIGHT or self._mode(index) not in (0, 2):
            return False
        if self._grounds is None:
            self._grounds = self._coloured_areas()
        x, y = left + 0.5, bottom + 0.5
        return not any(left <= x <= right and low <= y <= high for left, low, right, high in self._grounds)

    def _coloured_areas(self) -> list[tuple[float, float, float, float]]:
        found = []
        wanted = [raw.FPDF_PAGEOBJ_PATH, raw.FPDF_PAGEOBJ_IMAGE, raw.FPDF_PAGEOBJ_SHADING]
        for item in self._page.get_objects(filter=wanted, max_depth=3):
            red, green, blue, alpha = self._colour
            if item.type == raw.FPDF_PAGEOBJ_PATH:
                raw.FPDFPageObj_GetFillColor(item.raw, red, green, blue, alpha)
                if min(red.value, green.value, blue.value) >= _LIGHT or alpha.value == 0:
                    continue
            try:
                found.append(item.get_bounds())
            except pdfium.PdfiumError:
                continue
        return found[:2000]


def _lines(characters: list[Character], number: int) -> list[Line]:
    lines: list[Line] = []
    run: list[Character] = []
    for character in characters:
        if character.code in ("\r", "\n"):
            _close(run, number, lines)
            run = []
        else:
            run.append(character)
    _close(run, number, lines)
    return lines


def _close(run: list[Character], number: int, lines: list[Line]) -> None:
    inked = [character for character in run if character.size]
    if not inked:
        return
    text = _with_cells(run)
    sizes = Counter(round(character.size * 2) / 2 for character in inked)
    lines.append(
        Line(
            text=text,
            left=min(character.left for character in inked),
            right=max(character.right for character in inked),
            bottom=min(character.bottom for character in inked),
            top=max(character.top for character in inked),
            size=max(sizes, key=lambda size: (sizes[size], size)),
            mono=all(character.mono for character in inked),
            bold=sum(character.bold for character in inked) > 0.8 * len(inked),
            page=number,
        )
    )


def _with_cells(run: list[Character]) -> str:
    """The text of a line, with " | " where a gap says that a new cell begins."""
    parts: list[str] = []
    last: Character | None = None
    for character in run:
        if character.size:
            gap = character.left - last.right if last is not None else 0.0
            if last is not None and gap > _CELL_GAP * character.size and not _is_marker(parts):
                parts.append(" | ")
            last = character
        parts.append(character.code)
    return re.sub(r"\s*\|\s+\|?\s*|\s+", lambda match: " | " if "|" in match.group() else " ", "".join(parts)).strip()


def _is_marker(parts: list[str]) -> bool:
    return len("".join(parts[:12]).split()) == 1 and len("".join(parts[:12]).strip()) <= 4 and len(parts) <= 12
