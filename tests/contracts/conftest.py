"""What all contract tests share."""

from __future__ import annotations

import asyncio

import pytest

from gateway.types import Trace
from tests.contracts.cases import WIRE, call
from tests.servers.wire import Script, serving


@pytest.fixture(scope="session", autouse=True)
def _sdks_are_loaded() -> None:
    """Each SDK takes up to a second to import, on its first request: no test's clock is to run then."""

    async def one_of_each() -> None:
        for case in WIRE:
            async with serving(Script(case.say(("x",), "stop"))) as server:
                provider = case.make(server.url)
                async for _event in provider.stream(call(), Trace()):
                    pass
                await provider.aclose()

    asyncio.run(one_of_each())
