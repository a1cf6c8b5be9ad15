"""Keys in a mounted file, as Kubernetes, Docker and Vault's agent write them."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.credentials.secret import Credential
from gateway.credentials.source import CredentialSource, credentials
from gateway.errors import InvalidCredentials

LARGEST = 64 * 1024  # bytes; a file of keys is smaller
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class KeyFile:
    """`paired` files hold AWS's keys, `id:secret`."""

    variable: str
    path: str
    paired: bool = False

    def open(self) -> CredentialSource:
        return _Watched(self)


def read_text(path: str, variable: str) -> str:
    """A small file's text. Raises `ValueError` with a sentence that names the variable."""
    try:
        with open(path, "rb") as file:
            held = file.read(LARGEST + 1)
    except OSError as error:
        raise ValueError(f"{variable} names a file that cannot be read: {error.strerror}.") from None
    if len(held) > LARGEST or not held.strip():
        raise ValueError(f"{variable} names a file that is {'too large' if held.strip() else 'empty'}.")
    try:
        return held.decode()
    except UnicodeDecodeError:
        raise ValueError(f"{variable} names a file that is no text.") from None


def read_keys(file: KeyFile) -> tuple[Credential, ...]:
    """Raises `ValueError` with a sentence."""
    return credentials(read_text(file.path, file.variable), file.variable, paired=file.paired)


class _Watched:
    """Read again when it is another file than it was. While what stands there cannot be used, such as one
    half written, the last good keys stay."""

    def __init__(self, file: KeyFile) -> None:
        self._file = file
        self._seen: tuple[int, ...] = ()
        self._held: tuple[Credential, ...] = ()

    async def current(self) -> Sequence[Credential]:
        seen = self._look()
        if seen != self._seen or not self._held:
            await asyncio.to_thread(self._read, seen)
        return self._held

    def refused(self, credential: Credential) -> None:
        """The file is looked at with each request anyway."""

    def _look(self) -> tuple[int, ...]:
        try:
            found = os.stat(self._file.path)
        except OSError:
            return (-1,)
        return (found.st_mtime_ns, found.st_size, found.st_ino)

    def _read(self, seen: tuple[int, ...]) -> None:
        try:
            held = read_keys(self._file)
        except ValueError as error:
            if not self._held:
                raise InvalidCredentials(str(error)) from None
            logger.warning("%s The keys read before stay in use.", error)
        else:
            self._held = held
        self._seen = seen
