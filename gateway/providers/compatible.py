"""A server of the operator's own that speaks Chat Completions: vLLM, Ollama, llama.cpp and others.

They differ in what they leave out. Usage may be missing, or all zeros: the gateway then estimates.
`[DONE]` may be missing: the finish reason is what ends an answer. `stream_options` may be refused:
the request is then made without it, from there on. A key may not be needed: then none is sent.

Does not catch: reasoning that a model writes into its text between tags of its own.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import cached_property
from typing import TYPE_CHECKING

from gateway.errors import InvalidRequest
from gateway.profiles import ModelProfile
from gateway.providers.exchange import http_client
from gateway.providers.fronts import NO_FRONT, Front
from gateway.providers.openai_chat import OpenAIChatProvider
from gateway.types import JSON, Call, StreamEvent, Trace

if TYPE_CHECKING:
    from openai import AsyncOpenAI


class CompatibleProvider(OpenAIChatProvider):
    """Any server of that kind. `profile.model` is what the server calls its model."""

    name = "compatible"

    def __init__(self, profile: ModelProfile, *, key: str, url: str, front: Front = NO_FRONT) -> None:
        super().__init__(profile, key=key, url=url, front=front)
        self._address = url  # no default: without it the request would go to OpenAI
        self._takes_stream_options = True

    async def stream(self, call: Call, trace: Trace) -> AsyncGenerator[StreamEvent, None]:
        request = self._request(call)
        if self._takes_stream_options:
            try:
                async with aclosing(self._exchange(request, call, trace)) as events:
                    async for event in events:
                        yield event
                return
            except InvalidRequest as error:  # comes before the first event
                if "stream_options" not in error.detail:
                    raise
                self._takes_stream_options = False
        del request["stream_options"]
        async with aclosing(self._exchange(request, call, trace)) as events:
            async for event in events:
                yield event

    def _check(self) -> None:
        if not self._address or not self.profile.model:
            raise InvalidRequest("CITEDESK_COMPATIBLE_URL and CITEDESK_COMPATIBLE_MODEL are not set")

    def _request(self, call: Call) -> JSON:
        from openai import Omit

        # Nothing of OpenAI's that the environment may hold goes to another server.
        headers = {"OpenAI-Organization": Omit(), "OpenAI-Project": Omit()}
        if not self._key:
            headers["Authorization"] = Omit()
        return {**super()._request(call), "extra_headers": headers}

    @cached_property
    def _client(self) -> AsyncOpenAI:
        from openai import AsyncOpenAI

        return AsyncOpenAI(
            api_key=self._key or "none", base_url=self._address, max_retries=0, http_client=http_client()
        )
