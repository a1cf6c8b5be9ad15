"""Run as a process of its own by test_breaker_stores: `python -m tests.gateway.circuit_process
DATABASE REDIS_URL KEY COMMAND`. Prints what came of it."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import sys

import tests.environment  # noqa: F401  the same data folder, and so the same server, as the tests


def main(database: str, redis_url: str, key: str, command: str) -> None:
    import os

    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    import django
    from django.conf import settings

    django.setup()
    settings.DATABASES["default"]["NAME"] = database
    settings.GATEWAY = dataclasses.replace(settings.GATEWAY, redis_url=redis_url)
    print(asyncio.run(run(key, command)), flush=True)


async def run(key: str, command: str) -> str:
    from gateway.breaker.circuit import Circuit
    from gateway.breaker.stores import shared
    from gateway.errors import CircuitOpen, Overloaded

    circuit = Circuit(key, shared(), fresh=0)
    if command == "fail":
        for _ in range(5):
            await circuit.failed(Overloaded(), "")
        return "failed"
    print("ready", flush=True)
    sys.stdin.readline()
    admitted = []
    for _ in range(20):
        with contextlib.suppress(CircuitOpen):
            admitted.append(await circuit.admit(60))
    return f"{len(admitted)} {sum(bool(each) for each in admitted)}"


main(*sys.argv[1:])
