"""One PDF page as a picture, and where its characters stand in it."""

from __future__ import annotations

import ctypes

import pypdfium2 as pdfium
import pypdfium2.raw as raw

from knowledge.converters.cleaning import storable
from knowledge.converters.pdf import opened
from knowledge.converters.pdf_page import Character, visible_characters
from knowledge.errors import ConversionFailed, DocumentTooLarge
from knowledge.types import Box, DrawnPage, PageCharacters

TENTHS = 10  # of a point
_TALLEST = 2.0  # times its width: a longer page is drawn narrower
_LONGEST = 100_000.0  # points


def draw(data: bytes, *, number: int, width: int) -> DrawnPage:
    """Page `number`, from 1, upright as a viewer shows it, `width` pixels wide, or less where the page is
    long. Only the fonts in the file and the fourteen that PDF has of its own are there to draw with. Raises
    EncryptedDocument, ConversionFailed (also for a page that is not there), DocumentTooLarge.

    Does not catch: a page on which pdfium spins or dies; a subprocess with limits does.
    """
    with opened(data) as document:
        if not 1 <= number <= len(document):
            raise ConversionFailed(f"there is no page {number}")
        try:
            page = document[number - 1]
        except pdfium.PdfiumError as error:
            raise ConversionFailed(f"page {number} cannot be read") from error
        try:
            return _drawn(page, width, len(document))
        except (pdfium.PdfiumError, ctypes.ArgumentError) as error:
            raise ConversionFailed(f"page {number} cannot be drawn") from error
        finally:
            page.close()


def _drawn(page: pdfium.PdfPage, width: int, pages: int) -> DrawnPage:
    wide, high = page.get_size()
    if not (0 < wide <= _LONGEST and 0 < high <= _LONGEST):
        raise DocumentTooLarge(f"a page of {wide:.0f} × {high:.0f} points")
    scale = min(width / wide, width * _TALLEST / high)
    characters = _characters(page, pages, (max(1, round(wide * TENTHS)), max(1, round(high * TENTHS))))
    bitmap = page.render(scale=scale, rev_byteorder=True, no_smoothimage=False)
    try:
        return DrawnPage(bitmap.width, bitmap.height, _three_bytes_a_pixel(bitmap), characters)
    finally:
        bitmap.close()


def _three_bytes_a_pixel(bitmap: pdfium.PdfBitmap) -> bytes:
    """pdfium pads its rows, and may draw with one byte a pixel or four."""
    row, channels = bitmap.width * bitmap.n_channels, bitmap.n_channels
    data = bytes(bitmap.buffer)
    packed = b"".join(data[start : start + row] for start in range(0, bitmap.stride * bitmap.height, bitmap.stride))
    if channels == 3:
        return packed
    coloured = bytearray(bitmap.width * bitmap.height * 3)
    for channel in range(3):
        coloured[channel::3] = packed[min(channel, channels - 1) :: channels]
    return bytes(coloured)


def _characters(page: pdfium.PdfPage, pages: int, size: tuple[int, int]) -> PageCharacters:
    place = _Places(page, size)
    shown = [each for each in visible_characters(page)[0] if len(each.code) == 1 and storable(each.code)]
    return PageCharacters("".join(each.code for each in shown), tuple(map(place.of, shown)), size, pages)


class _Places:
    """From a page's own coordinates to those of the page as it is shown: turned, and cut to its box."""

    def __init__(self, page: pdfium.PdfPage, size: tuple[int, int]) -> None:
        self._page, self._size = page, size
        self._x, self._y = ctypes.c_int(), ctypes.c_int()

    def of(self, character: Character) -> Box:
        left, top = self._point(character.left, character.top)
        right, bottom = self._point(character.right, character.bottom)
        return min(left, right), min(top, bottom), max(left, right), max(top, bottom)

    def _point(self, x: float, y: float) -> tuple[int, int]:
        raw.FPDF_PageToDevice(self._page, 0, 0, *self._size, 0, x, y, self._x, self._y)
        wide, high = self._size
        return max(0, min(wide, self._x.value)), max(0, min(high, self._y.value))
