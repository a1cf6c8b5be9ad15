"""The one door from a file's bytes to its text and to pictures of its pages: the sandbox, as the settings have it."""

from __future__ import annotations

import atexit
import os
import threading

from django.conf import settings

from knowledge.sandbox.pool import Pool
from knowledge.types import ConvertedDocument, DrawnPage

_pools: list[Pool] = []
_making = threading.Lock()


def convert(data: bytes, *, name: str, media_type: str = "", owner: str = "") -> ConvertedDocument:
    """The document in `data`, converted in a confined process that serves `owner` alone meanwhile.
    Usable from any thread, several at once. Raises `KnowledgeError` and nothing else."""
    return shared().convert(data, name=name, media_type=media_type, owner=owner)


def draw_page(data: bytes, *, number: int, width: int, name: str = "", owner: str = "") -> DrawnPage:
    """Page `number` of a PDF, likewise. Raises `KnowledgeError` and nothing else."""
    return shared().draw(data, number=number, width=width, name=name, owner=owner)


def shared() -> Pool:
    """This process's pool; its processes are started at the first document."""
    with _making:
        if not _pools:
            _pools.append(Pool(settings.CONVERSION))
        return _pools[0]


def _close() -> None:
    while _pools:
        _pools.pop().close()


def _forget() -> None:
    """A fork, of Celery's for one, makes a pool of its own."""
    global _making
    _making = threading.Lock()
    while _pools:
        _pools.pop().abandon()


atexit.register(_close)
os.register_at_fork(after_in_child=_forget)
