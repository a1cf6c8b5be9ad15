"""A second candidate, begun when the first has not spoken in time (Dean and Barroso, "The Tail at
Scale", CACM 2013). Whoever speaks first is heard; the other is closed at once, and paid for all the
same.

Does not catch: what the slower one had already thought by then, which nobody reports to us.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from gateway.base import Candidate
from gateway.errors import GatewayError
from gateway.types import Call, Finished, StreamEvent, TextDelta, ToolCallDelta, Trace

WORDS = TextDelta | ToolCallDelta | Finished
OUTRUN = "outrun"  # stands in a trace's attempts where others have an error's code


class Runner:
    """One candidate's stream, read, as it is opened and closed, by one task of its own. `spoken` is
    done with its first word, or with its end. What is read ahead is bounded by the answer's length."""

    def __init__(self, candidate: Candidate, call: Call, trace: Trace) -> None:
        self.candidate = candidate
        self.spoken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._events: asyncio.Queue[StreamEvent | None] = asyncio.Queue()
        self._task = asyncio.create_task(self._run(call, trace))

    async def events(self) -> AsyncGenerator[StreamEvent, None]:
        while (event := await self._events.get()) is not None:
            yield event
        await self._task  # raises what ended it

    @property
    def error(self) -> BaseException | None:
        return self._task.exception() if self._task.done() and not self._task.cancelled() else None

    async def close(self) -> None:
        """Returns when the provider's connection is closed."""
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _run(self, call: Call, trace: Trace) -> None:
        try:
            async with aclosing(self.candidate.stream(call, trace)) as events:
                async for event in events:
                    self._events.put_nowait(event)
                    if isinstance(event, WORDS):
                        self._speak()
        finally:
            self._speak()
            self._events.put_nowait(None)

    def _speak(self) -> None:
        if not self.spoken.done():
            self.spoken.set_result(None)


async def race(waiting: deque[Candidate], call: Call, trace: Trace) -> AsyncGenerator[StreamEvent, None]:
    """The events of the first of `waiting`, or of the next if that is begun and speaks before it.
    Takes from `waiting` those that were heard or failed. Raises the last one's error when all that
    were begun have failed."""
    running = [Runner(waiting.popleft(), call, trace)]
    try:
        await asyncio.wait([running[0].spoken], timeout=call.options.hedge_after)
        if not running[0].spoken.done() and waiting and waiting[0].profile.generates:
            running.append(Runner(waiting.popleft(), call, trace))
        winner = await _first_to_speak(running)
        trace.provider, trace.model = winner.candidate.name, winner.candidate.profile.id
        for other in [each for each in running if each is not winner]:
            await _outrun(other, waiting, trace)
        async for event in winner.events():
            yield event
    finally:
        for each in running:
            await each.close()


async def _first_to_speak(running: Sequence[Runner]) -> Runner:
    """The first that says something; the last that failed, when all have."""
    silent = list(running)
    while True:
        await asyncio.wait([each.spoken for each in silent], return_when=asyncio.FIRST_COMPLETED)
        for each in [each for each in silent if each.spoken.done()]:
            silent.remove(each)
            if each.error is None or not silent:
                return each


async def _outrun(loser: Runner, waiting: deque[Candidate], trace: Trace) -> None:
    """Closes it. Unless it had failed, it is the next to be tried should the winner break."""
    await loser.close()
    if loser.error is None:
        trace.attempts.append({"model": loser.candidate.profile.id, "error": OUTRUN, "attempt": 1})
        waiting.appendleft(loser.candidate)
    elif not isinstance(loser.error, GatewayError):
        raise loser.error
