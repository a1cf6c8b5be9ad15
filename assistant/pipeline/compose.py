"""One question, from guard to grounding, with nothing saved but the gateway's audit record.

`assistant.pipeline.answer` saves the outcome as a message, `tickets.drafting` as a draft.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Any

from accounts.tenancy import in_tenant
from assistant.events import Event, Progress, Retract, Sources
from assistant.pipeline import abstain, grounding, leak, prompt
from assistant.pipeline.citations import CitationParser, Piece, Text
from assistant.pipeline.guard import guard
from assistant.pipeline.numbering import Numbering, numbered
from assistant.pipeline.rewrite import standalone
from gateway import client
from gateway.cache.types import Reuse
from gateway.types import (
    Call,
    Caller,
    Degraded,
    EmbeddingCall,
    FinishReason,
    Options,
    Retracted,
    Source,
    Task,
    TextDelta,
    Trace,
    Verdict,
)
from knowledge import corpus
from knowledge.retrieval.language import is_english
from knowledge.retrieval.retriever import retrieve
from knowledge.types import Hit

PASSAGES = 8


@dataclass(frozen=True)
class Request:
    """What to compose, for whom, and from which articles."""

    question: str
    caller: Caller
    tenant_name: str
    visibilities: tuple[str, ...]
    history: tuple[prompt.Turn, ...] = ()
    task: Task = Task.ANSWER
    model: str | None = None


@dataclass
class Outcome:
    """The notebook of one composition; `as_json` is the object that every door gives."""

    question: str = ""
    status: str = "failed"
    reason: str = ""
    pieces: list[Piece] = field(default_factory=list)
    sentences: list[grounding.Sentence] = field(default_factory=list)
    sources: list[Source] = field(default_factory=list)
    nearest: list[Hit] = field(default_factory=list)
    trace: Trace = field(default_factory=Trace)
    marks: dict[str, float] = field(default_factory=dict)
    started: float = field(default_factory=time.perf_counter)

    def mark(self, name: str) -> None:
        self.marks.setdefault(name, round((time.perf_counter() - self.started) * 1000, 1))

    @property
    def citations(self) -> list[grounding.CitedQuote]:
        """Each quoted place once, also where the passages that it was found in overlap."""
        quotes = [quote for sentence in self.sentences for quote in sentence.quotes]
        return list({(each.marker, each.start, each.end): each for each in reversed(quotes)}.values())[::-1]

    @property
    def text(self) -> str:
        parts = [s.lead + s.text + "".join(f" [{m}]" for m in s.markers) for s in self.sentences]
        return "".join(parts).strip()

    def as_json(self) -> dict[str, Any]:
        usage = self.trace.usage
        return {
            "status": self.status,
            "reason": self.reason,
            "question": self.question,
            "answer": self.text,
            "sentences": [sentence.as_json() for sentence in self.sentences],
            "citations": [quote.as_json() for quote in self.citations],
            "nearest": _nearest(self.nearest),
            "provider": self.trace.provider,
            "model": self.trace.model,
            "degraded": self.trace.degraded.value,
            "cached": self.trace.cache.kind.value if self.trace.cache.hit else "",
            "usage": {
                "input_tokens": usage.input_tokens,
                "output_tokens": usage.output_tokens,
                "cached_tokens": usage.cached_tokens,
                "estimated": usage.estimated,
            },
            "cost": f"{self.trace.cost.normalize():f}",
            "timings_ms": self.marks,
            "audit_id": str(self.trace.audit_id or ""),
        }


def _nearest(hits: list[Hit]) -> list[dict[str, str]]:
    articles = {hit.document: hit for hit in reversed(hits)}
    return [{"document": h.document, "title": h.title, "url": h.url} for h in reversed(articles.values())][:3]


async def compose(request: Request, outcome: Outcome) -> AsyncGenerator[Event, None]:
    """Gives events up to the last delta and leaves the checked answer in `outcome`.

    Raises `AssistantError` for a bad question and `GatewayError` when no model could answer; what
    was written by then is in `outcome`, also after a cancellation.
    """
    guarded = guard(request.question)
    outcome.question = guarded.text
    yield Progress("searching", {})
    query = await standalone(guarded.text, request.history, lambda texts: _embedded(texts, request.caller))
    found = await _search(query, request, outcome)
    hits = outcome.nearest = found.hits
    outcome.reason = abstain.too_weak(query, hits)
    if outcome.reason:
        outcome.status = "abstained"
        return
    outcome.sources = prompt.fit([_source(number, hit) for number, hit in enumerate(hits, 1)])
    yield Sources([_public(source) for source in outcome.sources])
    yield Progress("reading", {"articles": len({source.document for source in outcome.sources})})
    async for event in _generate(query, request, outcome, guarded.injection_score, found):
        yield event


@dataclass(frozen=True)
class Found:
    """What a search gave, the question's embedding, and the number of the corpus that was searched."""

    hits: list[Hit]
    vector: tuple[float, ...]
    corpus: int


async def _search(query: str, request: Request, outcome: Outcome) -> Found:
    caller = request.caller
    vectors = await _embedded((query,), caller)
    outcome.mark("embedded")
    found = await in_tenant(caller.tenant_id, _retrieved, query, vectors[0], request)
    outcome.mark("retrieved")
    return found


def _retrieved(query: str, vector: Sequence[float], request: Request) -> Found:
    tenant_id = request.caller.tenant_id
    number = corpus.number(tenant_id)
    hits = retrieve(query, vector, tenant_id=tenant_id, visibilities=request.visibilities, limit=PASSAGES)
    return Found(hits, tuple(vector), number)


async def _embedded(texts: tuple[str, ...], caller: Caller) -> Sequence[Sequence[float]]:
    return await client.embed(EmbeddingCall(caller=caller, texts=texts, kind="query"))


async def _generate(
    query: str, request: Request, outcome: Outcome, injection_score: float, found: Found
) -> AsyncGenerator[Event, None]:
    built = prompt.build(
        outcome.question,
        outcome.sources,
        tenant=request.tenant_name,
        history=list(request.history),
        draft=request.task == Task.DRAFT,
    )
    call = Call(
        caller=request.caller,
        messages=built.messages,
        options=Options(task=request.task, model=request.model),
        sources=tuple(outcome.sources),
        question=query,
        prompt_version=prompt.VERSION,
        reuse=_reuse(query, request, found, built.token, suspicious=injection_score > 0),
    )
    known = frozenset(source.marker for source in outcome.sources)
    parser, watch, shown_as = CitationParser(known), leak.LeakWatch(built.token), Numbering(outcome.sources)
    async with client.stream(call) as stream:
        outcome.trace = stream.trace
        try:
            async for event in stream:
                if isinstance(event, Retracted):
                    parser, watch, outcome.pieces = CitationParser(known), leak.LeakWatch(built.token), []
                    shown_as = Numbering(outcome.sources)
                    yield Retract(event.code)
                elif isinstance(event, TextDelta):
                    shown = watch.feed(event.text)
                    if watch.leaked:
                        parser, outcome.pieces, outcome.reason = CitationParser(known), [], leak.CODE
                        yield Retract(leak.CODE)
                        break
                    for piece in parser.feed(shown):
                        outcome.mark("first_delta")
                        outcome.pieces.append(piece)
                        for told in shown_as.events(piece):
                            yield told
            for piece in [*parser.feed(watch.end()), *parser.end()]:
                outcome.pieces.append(piece)
                for told in shown_as.events(piece):
                    yield told
        finally:
            _conclude(outcome)
            stream.judge(_verdict(outcome, injection_score, parser.dropped))
            outcome.sentences = numbered(outcome.sentences, outcome.sources)


def _reuse(query: str, request: Request, found: Found, nonce: str, *, suspicious: bool) -> Reuse | None:
    """Lets a customer's answer be given again. Also to a similar question, where the question stands
    alone, seems harmless, and is in the language that similar ones can be told apart in."""
    if request.task != Task.ANSWER or request.caller.purpose != "answer":
        return None
    similar = not request.history and not suspicious and is_english(query)
    newest = max((hit.corpus for hit in found.hits), default=0)
    return Reuse(request.visibilities, found.corpus, newest, nonce, found.vector if similar else ())


def _conclude(outcome: Outcome) -> None:
    """Grounding, on whatever was written."""
    outcome.mark("generated")
    outcome.sentences = grounding.check(outcome.pieces, outcome.sources)
    said = "".join(piece.text for piece in outcome.pieces if isinstance(piece, Text))
    outcome.status = "answered"
    if outcome.reason == leak.CODE:
        outcome.status, outcome.sentences = "abstained", []
    elif outcome.trace.degraded == Degraded.POINTERS:
        outcome.status, outcome.reason, outcome.sentences = "abstained", "no_model_reached", []
    elif abstain.says_unknown(said):
        outcome.status, outcome.reason, outcome.sentences = "abstained", "model_does_not_know", []
    elif not any(sentence.supported and sentence.markers for sentence in outcome.sentences):
        outcome.status, outcome.reason, outcome.sentences = "abstained", "not_grounded", []
    elif outcome.trace.reason == FinishReason.LENGTH:
        outcome.reason = "cut_at_length"
    outcome.mark("checked")


def _verdict(outcome: Outcome, injection_score: float, dropped: list[int]) -> Verdict:
    supported = [sentence.supported for sentence in outcome.sentences]
    name = "abstained" if outcome.status == "abstained" else "supported" if all(supported) else "partly_supported"
    detail = {
        "sentences": [sentence.as_json() for sentence in outcome.sentences],
        "citations": [quote.as_json() for quote in outcome.citations],
        "unknown_ids_dropped": dropped,
        "injection_score": injection_score,
        "reason": outcome.reason,
        "degraded": outcome.trace.degraded.value,
    }
    cited = frozenset(marker for sentence in outcome.sentences for marker in sentence.markers)
    return Verdict(name, detail, cited)


def _source(number: int, hit: Hit) -> Source:
    return Source(
        marker=number,
        text=hit.text,
        document=hit.document,
        version=hit.version,
        title=hit.title,
        url=hit.url,
        start=hit.start,
        end=hit.end,
        score=hit.score,
        heading=" › ".join(hit.heading_path),
        outdated=hit.outdated,
    )


def _public(source: Source) -> dict[str, Any]:
    return {
        "source": source.marker,
        "document": source.document,
        "version": source.version,
        "title": source.title,
        "url": source.url,
        "start": source.start,
        "end": source.end,
        "quote": source.text[:300],
        "heading": source.heading,
        "outdated": source.outdated,
    }
