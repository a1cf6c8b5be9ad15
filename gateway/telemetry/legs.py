"""Notes how long each try at a model took and how it ended, for the spans."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

from gateway.base import Candidate
from gateway.errors import GatewayError
from gateway.types import Call, Finished, Leg, StreamEvent, TextDelta, ToolCallDelta, Trace, Usage, UsageReport

LEFT = "left"  # stands where others have an error's code: who listened went, or another was faster


class Noted:
    """Stands inside of the retries, so that each try is a leg; waiting for the provider's turn is in it."""

    def __init__(self, inner: Candidate) -> None:
        self._inner = inner
        self.name, self.profile = inner.name, inner.profile

    async def stream(self, call: Call, trace: Trace) -> AsyncGenerator[StreamEvent, None]:
        begun, ended_by, usage = time.perf_counter(), LEFT, Usage()
        spoke: float | None = None
        finished: Finished | None = None
        try:
            async with aclosing(self._inner.stream(call, trace)) as events:
                async for event in events:
                    if isinstance(event, TextDelta | ToolCallDelta):
                        spoke = spoke or time.perf_counter()
                    elif isinstance(event, UsageReport):
                        usage = event.usage
                    elif isinstance(event, Finished):
                        finished, ended_by = event, ""
                    yield event
        except GatewayError as error:
            ended_by = error.code
            raise
        finally:
            leg = Leg(self.name, self.profile.id, begun, spoke, time.perf_counter(), ended_by, usage, finished)
            trace.legs.append(leg)
