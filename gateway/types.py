"""The values that pass through the gateway. They carry no storage and import no Django."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any, Literal

from gateway.abilities import Image, OutputSchema, Safety, Tool, ToolCall, ToolChoice
from gateway.cache.types import NOTHING_CACHED, CacheNote, Reuse

JSON = dict[str, Any]


class Task(StrEnum):
    """What a model is asked to do; the router picks the model by it."""

    ANSWER = "answer"  # reply to a customer, streamed
    DRAFT = "draft"  # prepare a reply for an agent to edit
    REWRITE = "rewrite"  # turn a follow-up into a standalone question
    CLASSIFY = "classify"  # choose among labels that are given
    SUMMARISE = "summarise"  # say shorter what a text says
    EXTRACT = "extract"  # take values out of a text
    JUDGE = "judge"  # grade another model's answer
    EMBED = "embed"  # vectors for passages and questions


class Classification(StrEnum):
    """How sensitive the text of a call is, from least to most."""

    PUBLIC = "public"
    INTERNAL = "internal"
    PERSONAL = "personal"


class FinishReason(StrEnum):
    """Why a stream ended, the same for every provider."""

    STOP = "stop"  # the model said all it wanted to
    LENGTH = "length"  # cut at max_tokens or at the context window
    TOOL_CALL = "tool_call"  # waits for the result of a tool
    REFUSAL = "refusal"  # the model declined
    CONTENT_FILTER = "content_filter"  # the provider withheld the text
    CANCELLED = "cancelled"  # the caller stopped it
    ERROR = "error"  # it broke before it ended


class Degraded(StrEnum):
    """What stands in for the answer of a language model when none could be reached."""

    NO = ""  # nothing: the answer is as it was meant to be
    QUOTES = "quotes"  # sentences of the sources
    POINTERS = "pointers"  # no answer, but the names of the sources


@dataclass(frozen=True)
class Message:
    """One turn. System messages come first; providers that want them apart lift them out. A `tool`
    message is the result of the call `tool_call_id` of the assistant's turn before it. `cache`
    says that the prompt up to the end of this message will come again soon."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str
    images: tuple[Image, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""
    cache: bool = False


@dataclass(frozen=True)
class Source:
    """A retrieved passage as the model sees it: `text == version.text[start:end]`.

    `marker` is the number that the prompt and the answer cite it by, from 1.
    `document` and `version` are the ids of the rows, as strings. `outdated` is what its article
    says of itself.
    """

    marker: int
    text: str
    document: str
    version: str
    title: str
    url: str
    start: int
    end: int
    score: float = 0.0
    heading: str = ""
    outdated: bool = False


@dataclass(frozen=True)
class Options:
    """How to call. `model` is a profile's id and overrides the route that `task` would take.

    Timeouts are in seconds: until connected, until the first event, between two events, and
    for the whole call. `hedge_after` seconds without a word, the next candidate is asked as well;
    0 means never. The answer ends before the first of `stop` that it would say. `keep_temperature`
    says that the caller chose it: a model that takes none is refused.
    """

    task: Task = Task.ANSWER
    model: str | None = None
    temperature: float = 0.0
    keep_temperature: bool = False
    stop: tuple[str, ...] = ()
    max_tokens: int = 700
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice = ToolChoice.AUTO
    output: OutputSchema | None = None
    safety: Safety = Safety.DEFAULT
    connect_timeout: float = 5.0
    first_token_timeout: float = 30.0
    stall_timeout: float = 20.0
    total_timeout: float = 180.0
    hedge_after: float = 0.0


@dataclass(frozen=True)
class Caller:
    """On whose behalf, and why. Ids are those of `accounts`; `api_key_id` is empty without a key.
    `subject_id` is the person whose words the text holds, where that is not the user: its record is
    erased with theirs."""

    tenant_id: int
    user_id: int | None = None
    user_label: str = ""
    purpose: str = "answer"
    classification: Classification = Classification.PUBLIC
    conversation_id: str = ""
    api_key_id: str = ""
    subject_id: int | None = None


@dataclass(frozen=True)
class Call:
    """A request for a completion. `sources` are data for the audit record and for the
    extractive provider; what a language model reads of them stands in `messages`. `replay_of` is
    the id of the audited call that this one repeats. Without `reuse` it is never answered from the
    cache, nor kept there."""

    caller: Caller
    messages: tuple[Message, ...]
    options: Options = Options()
    sources: tuple[Source, ...] = ()
    question: str = ""
    prompt_version: str = ""
    replay_of: uuid.UUID | None = None
    reuse: Reuse | None = None
    id: uuid.UUID = field(default_factory=uuid.uuid4)


@dataclass(frozen=True)
class Usage:
    """Tokens of one call. `input_tokens` includes those read from the provider's cache and those
    written to it, `output_tokens` the reasoning ones. `estimated` says that the provider sent none
    and we counted."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    estimated: bool = False
    cache_write_tokens: int = 0


@dataclass(frozen=True)
class TextDelta:
    text: str


@dataclass(frozen=True)
class ToolCallDelta:
    """A piece of a tool call: `arguments` is a fragment of JSON text, to be joined by index."""

    index: int
    id: str
    name: str
    arguments: str
    signature: str = ""


@dataclass(frozen=True)
class UsageReport:
    usage: Usage


@dataclass(frozen=True)
class Retracted:
    """All text so far is void: the provider broke after its first token and the call starts
    anew on the next candidate. `code` is the error's."""

    code: str


@dataclass(frozen=True)
class Finished:
    """The last event of every stream that did not raise. `model_version` is what the provider
    says it ran, such as a dated snapshot; `stopped_at` the one of `Options.stop` that ended it."""

    reason: FinishReason
    model_version: str = ""
    stopped_at: str = ""


StreamEvent = TextDelta | ToolCallDelta | UsageReport | Retracted | Finished


@dataclass(frozen=True)
class Completion:
    """A whole answer, as `complete` returns it."""

    text: str
    reason: FinishReason
    usage: Usage
    model_version: str = ""
    tool_calls: tuple[ToolCall, ...] = ()


@dataclass(frozen=True)
class EmbeddingCall:
    """A request for vectors. `kind` tells models that embed questions and passages apart."""

    caller: Caller
    texts: tuple[str, ...]
    kind: Literal["query", "passage"] = "passage"
    model: str | None = None
    id: uuid.UUID = field(default_factory=uuid.uuid4)


@dataclass(frozen=True)
class Verdict:
    """What the caller found when it checked the answer: `supported`, `partly_supported`,
    `unsupported`, `abstained` or `unchecked`, and the evidence as JSON. `cited` are the markers of the
    sources that the answer rests on."""

    name: str = "unchecked"
    detail: JSON = field(default_factory=dict)
    cited: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Leg:
    """One try at one model, by the clock of `Trace.mark`: when it began, first spoke and ended, and the code
    of what ended it, empty when it came to its end. Then `finished` says which."""

    provider: str
    model: str
    begun: float
    spoke: float | None
    ended: float
    error: str = ""
    usage: Usage = Usage()
    finished: Finished | None = None


@dataclass
class Trace:
    """The notebook of one call: each wrapper writes down what only it knows, and the audit
    reads it at the end. The one mutable value here, owned by one call. `policy_version` is the
    routing policy's that chose the model; `redaction` counts what was taken out, by type."""

    provider: str = ""
    model: str = ""
    model_version: str = ""
    attempts: list[JSON] = field(default_factory=list)
    legs: list[Leg] = field(default_factory=list)
    gateways: list[JSON] = field(default_factory=list)  # what gateways in front of providers reported
    text: str = ""
    tool_calls: list[JSON] = field(default_factory=list)
    usage: Usage = Usage()
    cost: Decimal = Decimal(0)
    reason: FinishReason | None = None
    error_code: str = ""
    verdict: Verdict = Verdict()
    marks: dict[str, float] = field(default_factory=dict)
    policy_version: str = ""
    redaction: dict[str, int] = field(default_factory=dict)
    audit_id: str = ""
    degraded: Degraded = Degraded.NO
    cache: CacheNote = NOTHING_CACHED

    def mark(self, name: str) -> None:
        """Notes that `name` happens now; the first time counts."""
        self.marks.setdefault(name, time.perf_counter())

    def milliseconds(self, start: str, end: str) -> float | None:
        """Time between two marks, or None when either is missing."""
        if start not in self.marks or end not in self.marks:
            return None
        return round((self.marks[end] - self.marks[start]) * 1000, 2)
