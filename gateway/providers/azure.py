"""OpenAI's models on Azure, by the v1 API: OpenAI's own client, another address and another key.

`profile.model` is the name of the deployment. A token of Entra ID's takes the place of the key.
"""

from __future__ import annotations

from gateway.base import Provider
from gateway.errors import InvalidCredentials
from gateway.profiles import ModelProfile
from gateway.providers.openai_chat import OpenAIChatProvider
from gateway.providers.openai_responses import OpenAIResponsesProvider


class AzureChatProvider(OpenAIChatProvider):
    """`url` is the resource's, such as `https://name.openai.azure.com`."""

    name = "azure"

    def __init__(self, profile: ModelProfile, *, url: str, key: str) -> None:
        super().__init__(profile, key=key, url=f"{url.removesuffix('/openai/v1')}/openai/v1" if url else "")
        self._resource = url

    def _check(self) -> None:
        if not self._resource:
            raise InvalidCredentials("CITEDESK_AZURE_URL is not set")
        if not self._key:
            raise InvalidCredentials("AZURE_OPENAI_API_KEY is not set, nor another origin of a key")


class AzureResponsesProvider(AzureChatProvider, OpenAIResponsesProvider):
    """The same by the Responses API."""


def azure_provider(profile: ModelProfile, *, url: str, key: str, api: str = "responses") -> Provider:
    """`api` is "responses" or "chat"."""
    kind = AzureChatProvider if api == "chat" else AzureResponsesProvider
    return kind(profile, url=url, key=key)
