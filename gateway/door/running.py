"""A completion as it is written, for a client that may read more slowly than a model writes."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import AsyncIterator
from contextlib import suppress

from gateway import client
from gateway.abilities import ToolCall
from gateway.door.values import Answer
from gateway.errors import StreamBroken
from gateway.types import Call, Finished, FinishReason, Retracted, StreamEvent, TextDelta, ToolCallDelta, Trace

Piece = TextDelta | ToolCallDelta
PAUSE = 0.05  # seconds between two frames: a server that buffers for a client buffers 20 a second
MOST_WAITING = 256_000  # characters that wait for a client, where a server makes us wait for it


class Running:
    """Generates in `run`, which is a task of its own; `batches` gives what came since the last one.

    What was retracted cannot be taken back once it was given: then `run` raises `StreamBroken`, so
    that no text comes twice (V6).
    """

    def __init__(self, call: Call) -> None:
        self._call = call
        self._pieces: list[Piece] = []
        self._said: list[Piece] = []
        self._size = 0
        self._given = False
        self._changed, self._ended, self._room = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._stopped_at = ""
        self.model = ""

    async def run(self) -> Answer:
        """The whole answer, when its money and its record are in the books. Raises `GatewayError`."""
        try:
            async with client.stream(self._call) as events:
                async for event in events:
                    self.model = events.trace.model
                    await self._note(event)
        finally:
            self._ended.set()
            self._changed.set()
        return self._answer(events.trace)

    async def batches(self) -> AsyncIterator[list[Piece]]:
        while not self._ended.is_set() or self._pieces:
            await self._changed.wait()
            self._changed.clear()
            if self._pieces:
                batch, self._pieces, self._size = self._pieces, [], 0
                self._given = True
                self._room.set()
                yield batch
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._ended.wait(), PAUSE)

    async def _note(self, event: StreamEvent) -> None:
        match event:
            case TextDelta() | ToolCallDelta():
                self._add(event)
                while self._size > MOST_WAITING:
                    self._room.clear()
                    await self._room.wait()
            case Retracted():
                if self._given:
                    raise StreamBroken(f"the provider broke off in the middle ({event.code})")
                self._pieces, self._said, self._size = [], [], 0
            case Finished():
                self._stopped_at = event.stopped_at

    def _add(self, piece: Piece) -> None:
        self._size += len(piece.text if isinstance(piece, TextDelta) else piece.arguments)
        _join(self._pieces, piece)
        self._said.append(piece)
        self._changed.set()

    def _answer(self, trace: Trace) -> Answer:
        """What was given, word for word: the record may keep less of it."""
        text = "".join(each.text for each in self._said if isinstance(each, TextDelta))
        calls: dict[int, ToolCallDelta] = {}
        for each in self._said:
            if isinstance(each, ToolCallDelta):
                calls[each.index] = _joined(calls[each.index], each) if each.index in calls else each
        return Answer(
            id=self._call.id.hex,
            created=int(time.time()),
            model=trace.model,
            text=text,
            tool_calls=tuple(ToolCall(c.id, c.name, c.arguments, c.signature) for c in calls.values()),
            usage=trace.usage,
            reason=trace.reason or FinishReason.ERROR,
            stopped_at=self._stopped_at,
            cost=f"{trace.cost:f}",
        )


def _join(pieces: list[Piece], piece: Piece) -> None:
    """Adds to the last piece where this one goes on with it."""
    last = pieces[-1] if pieces else None
    if isinstance(piece, TextDelta) and isinstance(last, TextDelta):
        pieces[-1] = TextDelta(last.text + piece.text)
    elif isinstance(piece, ToolCallDelta) and isinstance(last, ToolCallDelta) and last.index == piece.index:
        pieces[-1] = _joined(last, piece)
    else:
        pieces.append(piece)


def _joined(first: ToolCallDelta, then: ToolCallDelta) -> ToolCallDelta:
    return dataclasses.replace(
        first,
        name=first.name + then.name,
        arguments=first.arguments + then.arguments,
        signature=first.signature + then.signature,
    )
