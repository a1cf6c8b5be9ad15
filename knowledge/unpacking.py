"""The files within a ZIP archive, each a document of its own (F5).

Only Python's own reader touches the archive here; what the files hold is parsed in the sandbox.
"""

from __future__ import annotations

import stat
import zipfile
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path, PurePosixPath

from knowledge.errors import (
    ConversionFailed,
    DocumentBomb,
    DocumentTooLarge,
    EncryptedDocument,
    KnowledgeError,
    UnsupportedFormat,
)

MAX_ENTRIES = 100_000
MAX_TOTAL_BYTES = 4_000_000_000
MAX_RATIO = 200

_SMALL = 1024 * 1024  # whatever the ratio, this much does no harm
_ARCHIVES = frozenset((".zip", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar", ".tar", ".jar"))
_ENCRYPTED = 1


def members(
    path: Path, *, suffixes: Collection[str], max_bytes: int
) -> Iterator[tuple[str, bytes] | tuple[str, KnowledgeError]]:
    """(name, bytes) of each file with one of the suffixes, or (name, error) of one that is not taken: too
    large, locked, damaged, a link, an archive within the archive. Others and hidden files are passed over.
    An archive that is itself refused gives one error. Names are mere text: nothing is written under them."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            _refuse_bomb(entries)
            for entry in entries:
                name = PurePosixPath(entry.filename)
                hidden = name.name.startswith(".") or "__MACOSX" in name.parts
                if entry.is_dir() or hidden or name.suffix.lower() not in {*suffixes, *_ARCHIVES}:
                    continue
                try:
                    yield entry.filename, _read(archive, entry, max_bytes)
                except KnowledgeError as error:
                    yield entry.filename, error
    except DocumentBomb as error:
        yield path.name, error
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError):
        yield path.name, ConversionFailed("not a zip archive, or a damaged one")


def _refuse_bomb(entries: list[zipfile.ZipInfo]) -> None:
    if len(entries) > MAX_ENTRIES:
        raise DocumentBomb(f"{len(entries):,} entries")
    if sum(entry.file_size for entry in entries) > MAX_TOTAL_BYTES:
        raise DocumentBomb("declares more bytes than we unpack")


def _read(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, max_bytes: int) -> bytes:
    """The declared size may lie: it is judged first, and then what really comes out."""
    if PurePosixPath(entry.filename).suffix.lower() in _ARCHIVES:
        raise UnsupportedFormat("an archive within the archive")
    if stat.S_ISLNK(entry.external_attr >> 16):
        raise UnsupportedFormat("a link")
    if entry.flag_bits & _ENCRYPTED:
        raise EncryptedDocument("the archive has a password")
    if entry.file_size > max_bytes:
        raise DocumentTooLarge(f"{entry.file_size:,} bytes unpacked")
    if entry.file_size > _SMALL and entry.file_size > MAX_RATIO * max(entry.compress_size, 1):
        raise DocumentBomb("unpacks to far more than its size")
    try:
        with archive.open(entry) as file:
            data = file.read(max_bytes + 1)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError) as error:
        raise ConversionFailed("this file of the archive is damaged") from error
    if len(data) > max_bytes:
        raise DocumentTooLarge("larger than it declares")
    return data
