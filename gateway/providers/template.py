"""The last resort: a fixed text that says that there is no answer and names the articles found.

Does not catch: a reader of another language; the text is English, and the portal says it in its own.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator

from gateway.errors import Unsupported
from gateway.profiles import ModelProfile
from gateway.types import Call, Finished, FinishReason, StreamEvent, TextDelta, Trace, Usage, UsageReport

MOST = 3  # articles
OPENING = "No language model could be reached just now, so this is not an answer. These articles were found:"


class TemplateProvider:
    """Speaks the interface of every provider; reads `call.sources`, and needs nothing else to work."""

    name = "template"

    def __init__(self, profile: ModelProfile) -> None:
        self.profile = profile

    async def stream(self, call: Call, trace: Trace) -> AsyncGenerator[StreamEvent, None]:
        titles = list(dict.fromkeys(source.title for source in call.sources))[:MOST]
        if not titles:
            raise Unsupported("without sources there is nothing to point at")
        yield TextDelta(OPENING + "".join(f"\n- {title}" for title in titles))
        yield UsageReport(Usage(estimated=True))
        yield Finished(FinishReason.STOP, self.profile.model)

    async def aclose(self) -> None:
        """Holds no connection."""
