"""A candidate that is not asked while its circuit is open (V9)."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from gateway.base import Candidate
from gateway.breaker.circuit import Circuit
from gateway.errors import ProviderError
from gateway.types import Call, Finished, StreamEvent, TextDelta, ToolCallDelta, Trace
from gateway.uncancelled import to_the_end

MARGIN = 20.0  # seconds of a probe's lease beyond those for the first word, such as for its turn


class Breaking:
    """Stands inside of the retries, so that each request counts, and so that a probe is one."""

    def __init__(self, inner: Candidate, circuit: Circuit) -> None:
        self._inner, self._circuit = inner, circuit
        self.name, self.profile = inner.name, inner.profile

    async def stream(self, call: Call, trace: Trace) -> AsyncGenerator[StreamEvent, None]:
        probe = await self._circuit.admit(self._lease(call))
        try:
            async with aclosing(self._inner.stream(call, trace)) as events:
                async for event in events:
                    if probe and isinstance(event, TextDelta | ToolCallDelta | Finished):
                        await self._circuit.spoke(probe)
                        probe = ""
                    if isinstance(event, Finished):
                        await self._circuit.succeeded()
                    yield event
        except ProviderError as error:
            held, probe = probe, ""
            await self._circuit.failed(error, held)
            raise
        finally:
            if probe:
                await to_the_end(self._circuit.gave_up(probe))

    def _lease(self, call: Call) -> float:
        options = call.options
        return options.connect_timeout + max(options.first_token_timeout, self.profile.first_token_timeout) + MARGIN
