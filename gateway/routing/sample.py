"""A call as somebody describes it, to explain where one like it would go. It is never sent."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field

from gateway.abilities import Image, OutputSchema, Tool
from gateway.breaker.state import Phase
from gateway.breaker.stores import shared
from gateway.metering import BYTES_PER_TOKEN, TOKENS_PER_MESSAGE
from gateway.routing.explain import Explanation, explain
from gateway.routing.policy import WRITES_FREELY, EffectivePolicy
from gateway.types import Call, Caller, Classification, Message, Options, Source, Task

OUTPUT_TOKENS = 700  # what `Options` asks for unless told otherwise


@dataclass(frozen=True)
class Sample:
    """`tokens` are of the prompt. An answer or a draft has sources, as those of the product do. `id`
    decides a draw by weight: with that of a call in the audit log, it is the draw of that call."""

    task: Task
    classification: Classification = Classification.PUBLIC
    tokens: int = 1_000
    tools: bool = False
    images: bool = False
    json_schema: bool = False
    model: str = ""
    id: uuid.UUID = field(default_factory=uuid.uuid4)

    def call(self, tenant_id: int) -> Call:
        text = "x" * max(0, (self.tokens - TOKENS_PER_MESSAGE) * BYTES_PER_TOKEN)
        images = (Image("image/png", ""),) if self.images else ()
        sourced = self.task not in WRITES_FREELY
        return Call(
            Caller(tenant_id=tenant_id, classification=self.classification),
            (Message("user", text, images=images),),
            Options(
                task=self.task,
                model=self.model or None,
                max_tokens=OUTPUT_TOKENS,
                tools=(Tool("example", "", {}),) if self.tools else (),
                output=OutputSchema("example", {}) if self.json_schema else None,
            ),
            sources=(Source(1, "", "", "", "", "", 0, 0),) if sourced else (),
            id=self.id,
        )


def explained(sample: Sample, tenant_id: int, policy: EffectivePolicy) -> Explanation:
    """With the circuits as they are in the store now."""
    return explain(sample.call(tenant_id), policy, _waits)


def _waits(model: str) -> float:
    state, now = shared().load(model)
    return state.waits(now) if state.phase(now) == Phase.OPEN else 0.0
