"""Pages on demand: drawn in the sandbox, encoded here, kept in the database behind the document's own walls.

The functions open scopes of their own around each database step, because drawing may take as long as a
conversion may. Whether the reader may see the document is for the caller to have asked.
"""

from __future__ import annotations

import io
from array import array

from accounts.tenancy import tenant_scope
from knowledge.conversion import draw_page
from knowledge.errors import ConversionFailed
from knowledge.pages.models import Original, PageLayout, PagePicture
from knowledge.types import Box, DrawnPage, PageCharacters

WIDTHS = (900, 1800)  # pixels: as a pane and a page show it; for close reading and fine screens
ENOUGH = 100_000  # bytes that a picture should not need more of


def layout(tenant_id: int, original_id: int, number: int) -> PageCharacters:
    """What stands on the page and where. Raises `KnowledgeError`."""
    with tenant_scope(tenant_id):
        kept = PageLayout.objects.filter(original=original_id, number=number).first()
    if kept is None:
        return _draw(tenant_id, original_id, number, WIDTHS[0])[0].characters
    return PageCharacters(kept.text, _unpacked(bytes(kept.boxes)), (kept.width, kept.height), kept.pages)


def picture(tenant_id: int, original_id: int, number: int, width: int) -> bytes:
    """The page as WebP. `width` is one of `WIDTHS`. Raises `KnowledgeError`."""
    with tenant_scope(tenant_id):
        kept = PagePicture.objects.filter(original=original_id, number=number, width=width).first()
    return bytes(kept.image) if kept is not None else _draw(tenant_id, original_id, number, width)[1]


def _draw(tenant_id: int, original_id: int, number: int, width: int) -> tuple[DrawnPage, bytes]:
    """Two who want the same page at once both draw it, and one of the two is kept."""
    with tenant_scope(tenant_id):
        original = Original.objects.filter(pk=original_id).first()
    if original is None:
        raise ConversionFailed("the file is no longer kept")
    data, name = bytes(original.data), original.name
    drawn = draw_page(data, number=number, width=width, name=name, owner=str(tenant_id))
    image, said = _webp(drawn), drawn.characters
    page = {"tenant_id": tenant_id, "original_id": original_id, "number": number}
    row = PageLayout(
        **page, text=said.text, boxes=_packed(said), width=said.size[0], height=said.size[1], pages=said.pages
    )
    with tenant_scope(tenant_id):
        PageLayout.objects.bulk_create([row], ignore_conflicts=True)
        PagePicture.objects.bulk_create([PagePicture(**page, width=width, image=image)], ignore_conflicts=True)
    return drawn, image


def _webp(page: DrawnPage) -> bytes:
    """Without loss where that is small, as pages of text are; photographs are not."""
    from PIL import Image

    image = Image.frombytes("RGB", (page.width, page.height), page.pixels)
    exact = io.BytesIO()
    image.save(exact, "WEBP", lossless=True, quality=40, method=2)
    if exact.tell() <= ENOUGH:
        return exact.getvalue()
    lossy = io.BytesIO()
    image.save(lossy, "WEBP", quality=60, method=4)
    return min(exact.getvalue(), lossy.getvalue(), key=len)


def _packed(page: PageCharacters) -> bytes:
    return array("I", [side for box in page.boxes for side in box]).tobytes()


def _unpacked(data: bytes) -> tuple[Box, ...]:
    sides = array("I")
    sides.frombytes(data)
    return tuple(zip(*(iter(sides),) * 4, strict=True))
