"""What the batch APIs have in common, as values, and the interface of their adapters."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

from gateway.errors import BatchCancelled, BatchExpired, GatewayError, ProviderError, StreamBroken
from gateway.providers.exchange import Reader
from gateway.types import JSON, Call, StreamEvent, UsageReport

SKEW = timedelta(minutes=10)  # by which a provider's clock may be behind ours


class Remote(StrEnum):
    """Where a batch stands at its provider."""

    PROCESSING = "processing"  # waits, runs, or is being cancelled
    COMPLETED = "completed"  # every request has a result
    EXPIRED = "expired"  # the window is over; what was not reached has no answer
    CANCELLED = "cancelled"  # stopped; what was done has results
    FAILED = "failed"  # refused as a whole: no request was run


@dataclass(frozen=True)
class Progress:
    """`counted` is how many results there must be to read, so that a file that was cut is known by its
    length too. `files` are names at the provider; `error` says why the whole failed."""

    state: Remote
    counted: int = 0
    files: tuple[str, ...] = ()
    error: ProviderError | None = None

    @property
    def unreached(self) -> GatewayError:
        """What is to be said of a request that has no result."""
        if self.state is Remote.EXPIRED:
            return BatchExpired("the provider did not come to it in time")
        if self.state is Remote.CANCELLED:
            return BatchCancelled("the batch was cancelled")
        return self.error or StreamBroken("the provider has no result for it")


@dataclass(frozen=True)
class Result:
    """One line of the results: what the model said, as events of ours, or why there is nothing."""

    custom_id: str
    events: tuple[StreamEvent, ...] = ()
    error: GatewayError | None = None


@dataclass(frozen=True)
class Upload:
    """What is to be submitted. `ref` is ours, the same at each attempt; `begun` is when the first one
    began; `lines` are requests by their custom ids."""

    ref: str
    begun: datetime
    lines: dict[str, bytes] = field(repr=False)


@dataclass(frozen=True)
class Found:
    """What became of an attempt that nobody heard the end of: the batch's id, or nothing, or that it
    cannot be told yet."""

    remote_id: str = ""
    undecided: bool = False


class BatchProvider(Protocol):
    """An adapter for one model's batches. Everything raises `ProviderError`."""

    def line(self, call: Call) -> bytes:
        """The request as it is uploaded. Makes no connection."""
        ...

    async def submit(self, upload: Upload) -> str:
        """Uploads and starts; the batch's id. After an error it may have started all the same: `find`."""
        ...

    async def find(self, upload: Upload) -> Found: ...

    async def progress(self, remote_id: str) -> Progress: ...

    def results(self, remote_id: str, progress: Progress) -> AsyncGenerator[Result, None]:
        """In any order."""
        ...

    async def cancel(self, remote_id: str) -> None:
        """Asks for it. What is under way may still be finished, and billed."""
        ...

    async def tidy(self, remote_id: str, progress: Progress) -> None:
        """Has the provider delete what was uploaded and written."""
        ...

    async def aclose(self) -> None: ...


def read_whole(
    reader: Reader, events: Callable[[], Iterable[JSON]], translating: AbstractContextManager[None]
) -> tuple[tuple[StreamEvent, ...], GatewayError | None]:
    """An answer that came in one piece, by the reader of its stream: `events` are what the stream would
    have had. An error keeps what was read, and so the usage, which is billed."""
    read: list[StreamEvent] = []
    try:
        with translating:
            for event in events():
                read += reader.read(event)
            if reader.finished is None:
                raise StreamBroken("the result does not say how it ended")
    except (AttributeError, KeyError, TypeError, IndexError):
        return tuple(read), StreamBroken("a result does not have the shape of its API")
    except ProviderError as error:
        return (*read, *([UsageReport(reader.usage)] if reader.usage else [])), error
    return (*read, *([UsageReport(reader.usage)] if reader.usage else []), reader.finished), None


def joined(lines: Sequence[bytes]) -> bytes:
    return b"".join(line + b"\n" for line in lines)


def shaped(line: Any) -> JSON:
    """A line of a result file. Raises `StreamBroken`."""
    if not isinstance(line, dict) or not isinstance(line.get("custom_id"), str):
        raise StreamBroken("a line of the results does not have the shape of its API")
    return line
