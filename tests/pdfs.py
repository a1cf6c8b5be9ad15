"""PDFs for tests, made with reportlab: what it draws is told line by line."""

from __future__ import annotations

import io
from collections.abc import Sequence

from reportlab.lib.pagesizes import A4, landscape
from reportlab.pdfgen.canvas import Canvas

LEADING = 15


class Pdf:
    """Text at places, page by page; `data` ends it."""

    def __init__(self, *, rotated: int = 0) -> None:
        self._buffer = io.BytesIO()
        # The same bytes each time: documents are told apart by their digest.
        size = landscape(A4) if rotated in (90, 270) else A4  # as it is shown; reportlab turns it back
        self._canvas = Canvas(self._buffer, pagesize=size, invariant=True)
        self._rotated = rotated
        self._canvas.setPageRotation(rotated)

    def lines(self, lines: Sequence[str], *, x: float = 72, y: float = 760, size: float = 11) -> Pdf:
        for index, line in enumerate(lines):
            self._canvas.setFont("Helvetica", size)
            self._canvas.drawString(x, y - index * LEADING, line)
        return self

    def title(self, text: str) -> Pdf:
        return self.lines([text], y=800, size=18)

    def row(self, cells: Sequence[str], *, y: float, x: float = 72, step: float = 150) -> Pdf:
        self._canvas.setFont("Helvetica", 11)
        for index, cell in enumerate(cells):
            self._canvas.drawString(x + index * step, y, cell)
        return self

    def page(self) -> Pdf:
        self._canvas.showPage()
        self._canvas.setPageRotation(self._rotated)
        return self

    @property
    def data(self) -> bytes:
        self._canvas.save()
        return self._buffer.getvalue()
