"""Answers and conversations as the API gives them. Fields that a later version adds are let through,
so a client must expect more than it knows."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from ninja import Schema
from pydantic import ConfigDict


class OpenSchema(Schema):
    model_config = ConfigDict(extra="allow")


class CitationShape(OpenSchema):
    """`quote` is `text[start:end]` of the document's version; `outdated`, that the article said of
    itself so when it was cited."""

    marker: int
    document: str
    version: str
    title: str
    url: str
    start: int
    end: int
    quote: str
    outdated: bool = False


class SentenceShape(OpenSchema):
    """`citations` are markers; `score` is the support, 0 to 1; `reason` why there is too little."""

    text: str
    supported: bool
    score: float
    reason: str
    citations: list[int]


class NearestShape(OpenSchema):
    document: str
    title: str
    url: str


class UsageShape(OpenSchema):
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    estimated: bool


class AnswerShape(OpenSchema):
    """A checked answer, or why there is none: `reason` is a code of docs/errors.md. `cached` says that
    the answer was given before: to the same question, or to a similar one."""

    status: Literal["answered", "abstained", "stopped", "failed"]
    reason: str
    question: str = ""
    answer: str = ""
    sentences: list[SentenceShape] = []
    citations: list[CitationShape] = []
    nearest: list[NearestShape] = []
    provider: str = ""
    model: str = ""
    cached: Literal["", "exact", "semantic"] = ""
    usage: UsageShape | None = None
    cost: str = ""
    timings_ms: dict[str, Any] = {}
    audit_id: str = ""
    conversation: str = ""
    message: str = ""
    detail: str = ""


class MessageShape(Schema):
    """`answer` is null for a question, and while the answer is being written."""

    id: str
    role: Literal["user", "assistant"]
    text: str
    status: Literal["streaming", "answered", "abstained", "stopped", "failed"]
    answer: AnswerShape | None


class ConversationShape(Schema):
    id: str
    title: str
    updated_at: datetime


class WholeConversationShape(Schema):
    id: str
    title: str
    messages: list[MessageShape]


class DoneShape(Schema):
    status: Literal["saved", "stopping"]
