"""OpenAI, by either of its APIs."""

from __future__ import annotations

from gateway.base import Provider
from gateway.profiles import ModelProfile
from gateway.providers.fronts import NO_FRONT, Front
from gateway.providers.openai_chat import OpenAIChatProvider
from gateway.providers.openai_responses import OpenAIResponsesProvider


def openai_provider(profile: ModelProfile, *, key: str, url: str, api: str, front: Front = NO_FRONT) -> Provider:
    """`api` is "responses" or "chat"; `url` empty means OpenAI's own address."""
    kind = OpenAIChatProvider if api == "chat" else OpenAIResponsesProvider
    return kind(profile, key=key, url=url, front=front)
