"""A call is refused, instructed or checked by what its model can do."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import pytest

from gateway.abilities import Image, OutputSchema, Safety, Tool, ToolCall
from gateway.errors import GatewayError, InvalidOutput, InvalidRequest, StreamBroken, Unsupported
from gateway.fallback import Fallback
from gateway.fitting import Fitted
from gateway.metering import most, prompt_tokens
from gateway.profiles import completion_profile
from gateway.retry import Retrying
from gateway.types import (
    Call,
    Finished,
    FinishReason,
    Message,
    Retracted,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    Trace,
    Usage,
    UsageReport,
)
from tests.contracts.cases import call

ABLE = completion_profile("gpt-6-luna")
UNABLE = dataclasses.replace(ABLE, id="unable", tools=False, images=False, json_schema=False)
BILL = OutputSchema("bill", {"type": "object", "properties": {"total": {"type": "integer"}}, "required": ["total"]})
PAID = UsageReport(Usage(input_tokens=9, output_tokens=5))


class Saying:
    """Says its pieces and ends for a reason, or breaks."""

    name = "saying"

    def __init__(
        self,
        *texts: str,
        profile: Any = ABLE,
        reason: FinishReason = FinishReason.STOP,
        error: GatewayError | None = None,
    ) -> None:
        self.profile, self._reason, self._error = profile, reason, error
        self._texts: Sequence[str] = texts
        self.asked: list[Call] = []

    async def stream(self, call: Call, trace: Trace) -> AsyncGenerator[StreamEvent, None]:
        self.asked.append(call)
        for text in self._texts:
            yield TextDelta(text)
        if self._error:
            raise self._error
        if self._reason is FinishReason.TOOL_CALL:
            yield ToolCallDelta(0, "a", "look_up", "{}")
        yield PAID
        yield Finished(self._reason)


async def events(inner: Any, asked: Call, into: list[StreamEvent] | None = None) -> list[StreamEvent]:
    seen: list[StreamEvent] = [] if into is None else into
    async for event in inner.stream(asked, Trace()):
        seen.append(event)
    return seen


def said(seen: Sequence[StreamEvent]) -> str:
    return "".join(event.text for event in seen if isinstance(event, TextDelta))


TOOL = Tool("look_up", "Finds an order.", {"type": "object"})
SEEN = Message("user", "What is this?", images=(Image("image/png", "AAAA"),))
CALLED = Message("assistant", "", tool_calls=(ToolCall("a", "look_up", "{}"),))


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (call(tools=(TOOL,)), "take tools"),
        (dataclasses.replace(call(), messages=(SEEN,)), "see images"),
        (dataclasses.replace(call(), messages=(CALLED,)), "conversation with tools"),
        (call(safety=Safety.STRICT), "be filtered strictly"),
    ],
)
async def test_what_a_model_cannot_do_is_refused_before_the_call(asked: Call, says: str) -> None:
    unable = Saying("yes", profile=UNABLE)
    with pytest.raises(Unsupported, match=says):
        await events(Fitted(unable), asked)
    assert unable.asked == []


async def test_quoting_is_no_answer_in_json() -> None:
    with pytest.raises(Unsupported, match="answer in JSON"):
        await events(Fitted(Saying("x", profile=completion_profile("extractive"))), call(output=BILL))


async def test_the_next_model_is_asked_when_the_first_cannot() -> None:
    unable, able = Saying(profile=UNABLE), Saying("done")
    seen = await events(Fallback([Retrying(Fitted(each)) for each in (unable, able)]), call(tools=(TOOL,)))
    assert (said(seen), unable.asked) == ("done", [])


async def test_where_the_api_takes_a_schema_the_answer_comes_as_it_is_written() -> None:
    model = Saying('{"tot', 'al":7}')
    seen = await events(Fitted(model), call(output=BILL))
    assert [type(each) for each in seen] == [TextDelta, TextDelta, UsageReport, Finished]
    assert len(model.asked[0].messages) == 2


@pytest.mark.parametrize("text", ["", "seven", '{"total":"7"}', "{}", "[" * 100_000])
async def test_an_answer_that_breaks_the_promise_of_its_api_is_an_error(text: str) -> None:
    seen: list[StreamEvent] = []
    with pytest.raises(InvalidOutput):
        await events(Fitted(Saying(text)), call(output=BILL), seen)
    assert seen[-1] == PAID, "what was spent is still counted"


@pytest.mark.parametrize(
    "text",
    [
        '{"total": 7}',
        '```json\n{"total": 7}\n```',
        'Here it is: {"total": 7,} Anything else?',
        "{'total': 7}",
        '{"total": 7',
    ],
)
async def test_where_it_takes_none_it_is_told_in_words_and_the_form_is_repaired(text: str) -> None:
    model = Saying(*text, profile=UNABLE)
    seen = await events(Fitted(model), call(output=BILL))
    assert json.loads(said(seen)) == {"total": 7}
    assert [type(each) for each in seen] == [TextDelta, UsageReport, Finished]
    system, words, question = model.asked[0].messages
    assert (system.role, words.role, question.role) == ("system", "system", "user")
    assert '"total"' in words.content


@pytest.mark.parametrize("text", ["I cannot say.", '{"total": "seven"}', "[1, 2", "[" * 5000])
async def test_what_is_beyond_repair_is_an_error_and_on_the_record(text: str) -> None:
    seen: list[StreamEvent] = []
    with pytest.raises(InvalidOutput):
        await events(Fitted(Saying(text, profile=UNABLE)), call(output=BILL), seen)
    assert seen == [TextDelta(text), PAID]


async def test_an_invalid_answer_is_retracted_and_the_next_model_answers() -> None:
    first, second = Saying("no idea", profile=UNABLE), Saying('{"total":7}')
    seen = await events(Fallback([Retrying(Fitted(first)), Retrying(Fitted(second))]), call(output=BILL))
    assert Retracted("invalid_output") in seen
    assert said(seen[seen.index(Retracted("invalid_output")) :]) == '{"total":7}'


@pytest.mark.parametrize("profile", [ABLE, UNABLE], ids=["native", "told"])
async def test_an_answer_that_was_cut_off_is_never_repaired(profile: Any) -> None:
    with pytest.raises(InvalidOutput, match="max_tokens"):
        await events(Fitted(Saying('{"total":7', profile=profile, reason=FinishReason.LENGTH)), call(output=BILL))


@pytest.mark.parametrize("profile", [ABLE, UNABLE], ids=["native", "told"])
@pytest.mark.parametrize("reason", [FinishReason.REFUSAL, FinishReason.TOOL_CALL, FinishReason.CONTENT_FILTER])
async def test_a_refusal_or_a_call_to_a_tool_is_no_broken_json(profile: Any, reason: FinishReason) -> None:
    profile = dataclasses.replace(profile, tools=True)
    seen = await events(Fitted(Saying("I must not.", profile=profile, reason=reason)), call(output=BILL, tools=(TOOL,)))
    assert (said(seen), seen[-1]) == ("I must not.", Finished(reason))


async def test_what_was_held_back_is_counted_when_the_stream_breaks() -> None:
    seen: list[StreamEvent] = []
    with pytest.raises(StreamBroken):
        await events(Fitted(Saying('{"to', profile=UNABLE, error=StreamBroken())), call(output=BILL), seen)
    assert seen == [TextDelta('{"to')]


@pytest.mark.threat("O8", "S8")
@pytest.mark.parametrize(
    "schema", [{"type": "number?"}, {"$ref": "http://127.0.0.1:1/schema.json"}, {"pattern": "(?<=a)b"}]
)
async def test_a_schema_that_cannot_be_used_is_refused_and_nothing_is_fetched(schema: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest, match="schema"):
        await events(Fitted(Saying("{}")), call(output=OutputSchema("x", schema)))


@pytest.mark.threat("O8")
async def test_a_pattern_of_a_callers_takes_linear_time() -> None:
    schema = OutputSchema("x", {"type": "string", "pattern": "^(a+)+$"})
    with pytest.raises(InvalidOutput):
        await events(Fitted(Saying(json.dumps("a" * 50_000 + "!"))), call(output=schema))


@pytest.mark.threat("B1")
def test_tools_schemas_images_and_the_cache_are_in_the_reservation() -> None:
    plain = prompt_tokens(call())
    assert prompt_tokens(call(tools=(TOOL,))) > plain + 100
    assert prompt_tokens(call(output=BILL)) > plain + 100
    assert prompt_tokens(dataclasses.replace(call(), messages=(SEEN,))) > 4000
    haiku = completion_profile("claude-haiku-4-5")
    cached = dataclasses.replace(call(), messages=(Message("system", "word " * 3000, cache=True),))
    uncached = dataclasses.replace(call(), messages=(Message("system", "word " * 3000),))
    assert most(cached, haiku) > most(uncached, haiku)
