"""The gateway in front of servers that speak the providers' protocols: what lies between
`gateway.client` and the socket is the product's own."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from django.conf import settings

from gateway import connections, profiles
from gateway.base import Provider
from gateway.profiles import completion_profile
from gateway.providers.extractive import ExtractiveProvider
from gateway.providers.template import TemplateProvider
from tests.contracts.cases import LUNA, Case
from tests.servers.wire import Request, Script, Server, serving

Answers = Script | Sequence[Script] | Callable[[Request], Script]


async def embed(texts: list[str]) -> list[list[float]]:
    return [[1.0, 0.0] for _ in texts]


@asynccontextmanager
async def wired(patch: pytest.MonkeyPatch, *parts: tuple[Case, Answers]) -> AsyncIterator[list[Server]]:
    """The configured models, in this order, each with a server of its own. A model's id is its
    case's name with its place."""
    async with AsyncExitStack() as stack:
        quoting = ExtractiveProvider(completion_profile("extractive"), embed)
        last: list[Provider] = [quoting, TemplateProvider(completion_profile("template"))]
        providers: list[Provider] = []
        servers = []
        for number, (case, answers) in enumerate(parts):
            server = await stack.enter_async_context(serving(answers))
            provider = case.make(server.url)
            provider.profile = dataclasses.replace(provider.profile, id=f"{case.name}-{number}")
            stack.push_async_callback(provider.aclose)
            providers.append(provider)
            servers.append(server)
        by_id = {each.profile.id: each for each in [*providers, *last]}
        patch.setattr(connections, "provider", lambda profile, _credential=None: by_id[profile.id])
        known = profiles.completion_profiles() | {name: each.profile for name, each in by_id.items()}
        patch.setattr(profiles, "completion_profiles", lambda: known)
        models = tuple(each.profile.id for each in providers)
        azure = {"azure_model": LUNA.id, "azure_deployment": "my-luna"}  # a deployment's profile is its model's
        patch.setattr(settings, "GATEWAY", dataclasses.replace(settings.GATEWAY, answer_models=models, **azure))
        yield servers
