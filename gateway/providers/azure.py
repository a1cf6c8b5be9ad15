"""OpenAI's models on Azure, by the v1 API: OpenAI's own client, another address and another key.

`profile.model` is the name of the deployment. Instead of a key, Entra ID can vouch for the machine;
its token is asked for with each request, and kept by the library until it is about to end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import cached_property
from typing import TYPE_CHECKING

from gateway.base import Provider
from gateway.errors import InvalidCredentials
from gateway.profiles import ModelProfile
from gateway.providers.exchange import extra, http_client
from gateway.providers.openai_chat import OpenAIChatProvider
from gateway.providers.openai_responses import OpenAIResponsesProvider

if TYPE_CHECKING:
    from openai import AsyncOpenAI

SCOPE = "https://cognitiveservices.azure.com/.default"
Token = Callable[[], Awaitable[str]]


class AzureChatProvider(OpenAIChatProvider):
    """`url` is the resource's, such as `https://name.openai.azure.com`."""

    name = "azure"

    def __init__(self, profile: ModelProfile, *, url: str, key: str = "", token: Token | None = None) -> None:
        super().__init__(profile, key=key, url=f"{url.removesuffix('/openai/v1')}/openai/v1" if url else "")
        self._resource, self._token = url, token

    def _check(self) -> None:
        if not self._resource:
            raise InvalidCredentials("CITEDESK_AZURE_URL is not set")
        if not self._key and self._token is None:
            raise InvalidCredentials("neither AZURE_OPENAI_API_KEY nor CITEDESK_AZURE_IDENTITY is set")

    @cached_property
    def _client(self) -> AsyncOpenAI:
        from openai import AsyncOpenAI

        key = self._key or self._token
        return AsyncOpenAI(api_key=key, base_url=self._url, max_retries=0, http_client=http_client())


class AzureResponsesProvider(AzureChatProvider, OpenAIResponsesProvider):
    """The same by the Responses API."""


def azure_provider(
    profile: ModelProfile, *, url: str, key: str = "", token: Token | None = None, api: str = "responses"
) -> Provider:
    """`api` is "responses" or "chat"."""
    kind = AzureChatProvider if api == "chat" else AzureResponsesProvider
    return kind(profile, url=url, key=key, token=token)


class EntraToken:
    """Tokens of the machine's own identity: workload, managed, or whoever is signed in."""

    async def __call__(self) -> str:
        with extra("azure"):
            from azure.core.exceptions import ClientAuthenticationError
        try:
            return await asyncio.to_thread(self._token)
        except ClientAuthenticationError as error:
            raise InvalidCredentials(f"Entra ID gave no token: {type(error).__name__}") from None

    @cached_property
    def _token(self) -> Callable[[], str]:
        from azure.identity import DefaultAzureCredential, get_bearer_token_provider

        return get_bearer_token_provider(DefaultAzureCredential(), SCOPE)
