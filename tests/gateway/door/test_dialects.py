"""The translators, which are pure: any answer reads the same whole and in pieces, and no request breaks
one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from anthropic.types import Message
from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response

from gateway.abilities import ToolCall
from gateway.door import chat, embeddings, messages, responses
from gateway.door.refusals import ANSWERS, Refused, refusal
from gateway.door.values import Answer, Asked, sealed_id, unsealed
from gateway.errors import GatewayError
from gateway.keeping import Stopper
from gateway.types import FinishReason, Options, TextDelta, ToolCallDelta, Usage

ASKED = Asked((), Options(), include_usage=True)
NAMES = st.from_regex(r"[a-z_]{1,8}", fullmatch=True)
ARGUMENTS = st.dictionaries(NAMES, st.integers() | st.text(max_size=9), max_size=3).map(json.dumps)
CALLS = st.lists(st.builds(ToolCall, NAMES, NAMES, ARGUMENTS, st.sampled_from(["", "c2VhbA=="])), max_size=3)
ENDS = [FinishReason.STOP, FinishReason.LENGTH, FinishReason.REFUSAL, FinishReason.CONTENT_FILTER]
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
MEMBERS = st.sampled_from(
    [
        "model",
        "messages",
        "input",
        "max_tokens",
        "tools",
        "tool_choice",
        "stop",
        "system",
        "text",
        "response_format",
        "stream",
        "stream_options",
        "metadata",
        "temperature",
        "output_config",
        "thinking",
        "reasoning",
        "top_p",
        "role",
        "content",
        "type",
        "name",
        "function",
        "parameters",
        "dimensions",
        "encoding_format",
    ]
)
BODIES = st.dictionaries(MEMBERS, JSON_VALUES | st.lists(st.dictionaries(MEMBERS, JSON_VALUES, max_size=4), max_size=3))


@st.composite
def answers(draw: st.DrawFn) -> Answer:
    calls = tuple(ToolCall(f"{call.id}{n}", *list(vars(call).values())[1:]) for n, call in enumerate(draw(CALLS)))
    reason = FinishReason.TOOL_CALL if calls else draw(st.sampled_from(ENDS))
    usage = Usage(draw(st.integers(20, 99)), draw(st.integers(0, 99)), draw(st.integers(0, 9)), 0, False, 3)
    return Answer("0" * 32, 1, "luna", draw(st.text(max_size=40)), calls, usage, reason)


def cut(answer: Answer, size: int) -> list[TextDelta | ToolCallDelta]:
    """The answer in pieces of that many characters."""
    pieces: list[TextDelta | ToolCallDelta] = []
    pieces += [TextDelta(answer.text[at : at + size]) for at in range(0, len(answer.text), size)]
    for n, call in enumerate(answer.tool_calls):
        pieces.append(ToolCallDelta(n, call.id, call.name, "", call.signature))
        pieces += [
            ToolCallDelta(n, "", "", call.arguments[at : at + size]) for at in range(0, len(call.arguments), size)
        ]
    return pieces


def events(dialect: Any, answer: Answer, size: int) -> list[dict[str, Any]]:
    writer = dialect.writer(answer.id, answer.created, ASKED)
    said = writer.begin(answer.model) + b"".join(map(writer.say, cut(answer, size))) + writer.end(answer)
    lines = [line for line in said.decode().split("\n") if line.startswith("data: {")]
    return [json.loads(line.removeprefix("data: ")) for line in lines]


@given(answers(), st.integers(1, 7))
def test_a_completion_reads_the_same_in_pieces(answer: Answer, size: int) -> None:
    whole = ChatCompletion.model_validate(chat.whole(answer, ASKED))
    chunks = [ChatCompletionChunk.model_validate(each) for each in events(chat, answer, size)]
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    assert "".join(delta.content or "" for delta in deltas) == (whole.choices[0].message.content or "")
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == whole.choices[0].finish_reason
    called: dict[int, list[str]] = {}
    for call in [call for delta in deltas for call in delta.tool_calls or ()]:
        parts = called.setdefault(call.index, ["", "", ""])
        assert call.function is not None
        parts[:] = [
            parts[0] + (call.id or ""),
            parts[1] + (call.function.name or ""),
            parts[2] + (call.function.arguments or ""),
        ]
    calls: list[Any] = list(whole.choices[0].message.tool_calls or ())
    assert list(called.values()) == [[c.id, c.function.name, c.function.arguments] for c in calls]
    assert chunks[-1].usage == whole.usage


@given(answers(), st.integers(1, 7))
def test_a_response_reads_the_same_in_pieces(answer: Answer, size: int) -> None:
    whole = responses.whole(answer, ASKED)
    said = events(responses, answer, size)
    assert Response.model_validate(whole) == Response.model_validate(said[-1]["response"])
    texts = [each["delta"] for each in said if each["type"] == "response.output_text.delta"]
    assert "".join(texts) == answer.text
    added = [each["item"]["id"] for each in said if each["type"] == "response.output_item.added"]
    done = [each["item"]["id"] for each in said if each["type"] == "response.output_item.done"]
    assert sorted(added) == sorted(done) == sorted(item["id"] for item in whole["output"])


@given(answers(), st.integers(1, 7))
def test_a_message_reads_the_same_in_pieces(answer: Answer, size: int) -> None:
    whole = messages.whole(answer, ASKED)
    Message.model_validate(whole)
    said = events(messages, answer, size)
    deltas = [each["delta"] for each in said if each["type"] == "content_block_delta"]
    assert "".join(delta.get("text", "") for delta in deltas) == answer.text
    started = [each["content_block"] for each in said if each["type"] == "content_block_start"]
    assert [block["type"] for block in started] == [block["type"] for block in whole["content"]]
    ended = next(each for each in said if each["type"] == "message_delta")
    assert (ended["delta"]["stop_reason"], ended["usage"]) == (whole["stop_reason"], whole["usage"])


@given(answers())
def test_what_was_answered_comes_back_as_it_was_called(answer: Answer) -> None:
    """With the seal of the provider, which the SDKs do not know."""
    turn = chat.whole(answer, ASKED)["choices"][0]["message"]
    back = chat.understood({"model": "luna", "messages": [turn]})
    assert back.messages[0].tool_calls == answer.tool_calls
    block = messages.whole(answer, ASKED)["content"]
    if block:
        given_back = {"role": "assistant", "content": block}
        again = messages.understood({"model": "luna", "max_tokens": 9, "messages": [given_back]})
        assert [unsealed(sealed_id(c)) for c in again.messages[0].tool_calls] == [
            (c.id, c.signature) for c in answer.tool_calls
        ]


@pytest.mark.threat("T11")
@given(BODIES)
def test_no_request_breaks_a_translator(body: dict[str, Any]) -> None:
    for dialect in (chat, responses, messages, embeddings):
        try:
            dialect.understood(body)  # type: ignore[attr-defined]
        except Refused as refused:
            assert refused.status == 400


@given(
    st.text("abAB", max_size=30),
    st.lists(st.text("abAB", min_size=1, max_size=4), min_size=1, max_size=3),
    st.integers(1, 5),
)
def test_a_stop_is_found_wherever_the_text_is_cut(text: str, stops: list[str], size: int) -> None:
    stopper, shown = Stopper(tuple(stops)), ""
    for at in range(0, len(text), size):
        shown += stopper.said(text[at : at + size])
        if stopper.stopped_at:
            break
    shown += stopper.rest()
    assert not any(stop in shown for stop in stops)
    if stopper.stopped_at:
        assert text.startswith(shown + stopper.stopped_at)
    else:
        assert shown == text


def kinds(of: type[GatewayError]) -> list[type[GatewayError]]:
    return [of, *(each for child in of.__subclasses__() for each in kinds(child))]


def test_every_error_of_the_gateway_has_an_answer() -> None:
    for kind in kinds(GatewayError):
        error = kind("x", retry_after=3) if "retry_after" in kind.__init__.__code__.co_varnames else kind("x")
        refused = refusal(error)
        assert 400 <= refused.status < 600
        assert refused.code == kind.code
        if kind not in ANSWERS:
            assert refused.status == 502
