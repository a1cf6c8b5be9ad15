"""An Office file is a ZIP archive of XML parts: opened only after what it declares was judged (F1, F3, F5)."""

from __future__ import annotations

import contextlib
import io
import zipfile
import zlib
from collections.abc import Iterator

from knowledge.errors import ConversionFailed, DocumentBomb, EncryptedDocument

MAX_PART_BYTES = 30 * 1024 * 1024
MAX_TOTAL_BYTES = 300 * 1024 * 1024
MAX_RATIO = 120  # ordinary document.xml: 5 to 25; repetitive tables reach 60
MAX_ENTRIES = 10_000

_SMALL = 1024 * 1024  # whatever the ratio, this much does no harm
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError)
_MARKS = ("utf-8", "utf-16-le", "utf-16-be")


@contextlib.contextmanager
def opened(data: bytes) -> Iterator[zipfile.ZipFile]:
    """The archive, once its declared sizes and ratios are within bounds. Python's reader never gives
    more of a part than was declared, so that a size that lies cannot grow past them. Raises
    DocumentBomb, EncryptedDocument or ConversionFailed, also for what fails inside the block."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            _refuse_bomb(archive.infolist())
            yield archive
    except RuntimeError as error:  # zipfile's word for a password, and for nothing else here
        if isinstance(error, NotImplementedError | RecursionError):
            raise ConversionFailed("the archive is packed in a way that cannot be read") from error
        raise EncryptedDocument("the archive has a password") from error
    except _DAMAGED as error:
        raise ConversionFailed("the archive is cut off or damaged") from error


def read_part(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    with archive.open(entry) as stream:
        content = stream.read(MAX_PART_BYTES + 1)
    if len(content) > MAX_PART_BYTES:
        raise DocumentBomb(f"a part is larger than {MAX_PART_BYTES:,} bytes")
    return content


def refuse_declarations(data: bytes) -> None:
    """For libraries that open the archive themselves: raises ConversionFailed where an XML part
    declares a document type, which no Office program writes and every XML bomb needs (F3)."""
    with opened(data) as archive:
        for entry in archive.infolist():
            if not entry.filename.endswith((".xml", ".rels", ".vml")):
                continue
            head = read_part(archive, entry)
            if any(mark.encode(encoding) in head for mark in ("<!DOCTYPE", "<!ENTITY") for encoding in _MARKS):
                raise ConversionFailed("a part of the document declares a document type")


def _refuse_bomb(entries: list[zipfile.ZipInfo]) -> None:
    if len(entries) > MAX_ENTRIES:
        raise DocumentBomb(f"{len(entries):,} entries")
    if sum(entry.file_size for entry in entries) > MAX_TOTAL_BYTES:
        raise DocumentBomb("declares more bytes than we unpack")
    for entry in entries:
        ratio = entry.file_size / max(entry.compress_size, 1)
        if entry.file_size > _SMALL and ratio > MAX_RATIO:
            raise DocumentBomb(f"a part unpacks to {ratio:,.0f} times its size")
