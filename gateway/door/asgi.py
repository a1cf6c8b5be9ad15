"""The door for other programs: OpenAI's and Anthropic's APIs in front of the gateway.

    POST /v1/chat/completions   POST /v1/responses   POST /v1/messages   POST /v1/embeddings
    GET  /v1/models             GET  /v1/models/NAME

One flow for all: who asks, what is asked, may it pass, has it been answered before, the gateway,
the answer. What differs is a `Dialect`. See docs/gateway-door.md.
"""

from __future__ import annotations

import asyncio
import dataclasses
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any, cast

from accounts.tenancy import in_tenant
from gateway import client, router
from gateway.door import catalogue, chat, embeddings, messages, replies, responses
from gateway.door.grants import Grant, granted, key_of
from gateway.door.inspection import inspect
from gateway.door.reading import parsed
from gateway.door.refusals import Refused, refusal
from gateway.door.replies import Claim
from gateway.door.running import Running
from gateway.door.sse import comment
from gateway.door.values import Answer, Asked, Dialect
from gateway.door.wire import Gone, Outgoing, Receive, Send, attended, body_of, headers_of
from gateway.errors import GatewayError
from gateway.models import AuditRecord
from gateway.routing import policies
from gateway.telemetry import request_ids
from gateway.types import JSON, Call, EmbeddingCall
from gateway.uncancelled import to_the_end

COMPLETIONS = {"/v1/chat/completions": chat, "/v1/responses": responses, "/v1/messages": messages}
EMBEDDINGS, MODELS = "/v1/embeddings", "/v1/models"
REPOSITORY = "x-citedesk-repository"


@dataclass(frozen=True)
class Request:
    """What came, as far as it was read."""

    method: str
    path: str
    headers: Mapping[str, str]
    receive: Receive
    id: uuid.UUID


async def application(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    request = Request(scope["method"], scope["path"].rstrip("/"), headers_of(scope), receive, uuid.uuid4())
    request_id = f"req_{request.id.hex}"  # the call's own, so that the record is found by it
    request_ids.begin(request_id)
    out = Outgoing(send, _dialect(request), request_id)
    try:
        await _answer(request, out)
    except Refused as refused:
        await out.refuse(refused)
    except GatewayError as error:
        await out.refuse(refusal(error))
    except Gone:
        return


async def _answer(request: Request, out: Outgoing) -> None:
    key = key_of(request.headers)
    grant = await granted(key)
    if request.path == MODELS or request.path.startswith(f"{MODELS}/"):
        _must_be("GET", request)
        await out.whole(_models(request, grant))
        return
    if request.path not in COMPLETIONS and request.path != EMBEDDINGS:
        raise Refused(404, "not_found", "There is no such thing here.")
    _must_be("POST", request)
    body = parsed(await body_of(request.receive, request.headers))
    if request.path == EMBEDDINGS:
        await _embed(request, out, grant, key, body)
    else:
        await _complete(request, out, grant, key, body)


async def _complete(request: Request, out: Outgoing, grant: Grant, key: str, body: JSON) -> None:
    dialect = _dialect(request)
    asked = dialect.understood(body)
    task, model = catalogue.completion_choice(asked.options.model or "", grant.models)
    inspect(body, grant, _declared(request, asked.repository))
    options = dataclasses.replace(asked.options, task=task, model=model)
    call = Call(grant.caller, asked.messages, options, id=request.id)
    claim, before = await _claimed(request, grant, body)
    if before is not None:
        await _say_again(out, dialect, asked, replies.thawed(before))
        return
    out.headers["x-citedesk-audit-id"] = str(call.id)
    try:
        if asked.stream:
            await attended(_stream(out, dialect, asked, call, claim), request.receive, key)
            return
        answer = await attended(Running(call).run(), request.receive, key)
        await _keep(claim, replies.frozen(answer))
    except (GatewayError, Refused, Gone, asyncio.CancelledError):
        await _release(claim)
        raise
    await _say(out, dialect, asked, answer)


async def _stream(out: Outgoing, dialect: Dialect, asked: Asked, call: Call, claim: Claim | None) -> None:
    """An error before the first words has a status of its own. The last event is sent when the answer
    is in the books, so that whoever saw it can find the record."""
    running = Running(call)
    task = asyncio.ensure_future(running.run())
    writer = dialect.writer(call.id.hex, int(time.time()), asked)
    begun = False
    try:
        async for batch in running.batches():
            if not begun:
                begun = True
                out.headers["x-citedesk-model"] = running.model
                await out.begin(writer)
                await out.write(writer.begin(running.model))
            await out.write(b"".join(writer.say(piece) for piece in batch))
        answer = await task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    await _keep(claim, replies.frozen(answer))
    if not begun:
        await out.begin(writer)
        await out.write(writer.begin(answer.model))
    await out.write(comment(f"citedesk cost_usd={answer.cost}") + writer.end(answer), more=False)


async def _say(out: Outgoing, dialect: Dialect, asked: Asked, answer: Answer) -> None:
    out.headers["x-citedesk-model"] = answer.model
    out.headers["x-citedesk-cost-usd"] = answer.cost
    await out.whole(dialect.whole(answer, asked))


async def _say_again(out: Outgoing, dialect: Dialect, asked: Asked, answer: Answer) -> None:
    """The saved answer, in either form."""
    out.headers |= {"x-citedesk-audit-id": str(uuid.UUID(answer.id)), "x-citedesk-replayed": "true"}
    if not asked.stream:
        await _say(out, dialect, asked, answer)
        return
    writer = dialect.writer(answer.id, answer.created, asked)
    out.headers["x-citedesk-model"] = answer.model
    await out.begin(writer)
    said = [writer.begin(answer.model), *map(writer.say, answer.pieces), writer.end(answer)]
    await out.write(b"".join(said), more=False)


async def _embed(request: Request, out: Outgoing, grant: Grant, key: str, body: JSON) -> None:
    wanted = embeddings.understood(body)
    choice = catalogue.embedding_choice(wanted.model, grant.models)
    inspect(body, grant, _declared(request, ""))
    call = EmbeddingCall(grant.caller, wanted.texts, model=choice.model, id=request.id)
    profile = router.embedding_candidate(call, await policies.current(grant.caller.tenant_id))
    embeddings.fits(wanted, profile)
    claim, before = await _claimed(request, grant, body)
    if before is not None:
        out.headers |= {"x-citedesk-audit-id": before["audit"], "x-citedesk-replayed": "true"}
        await out.whole(before["embeddings"])
        return
    out.headers["x-citedesk-audit-id"] = str(call.id)
    try:
        vectors = await attended(client.embed(call), request.receive, key)
        tokens, cost = await in_tenant(grant.caller.tenant_id, _booked, call.id)
        reply = embeddings.answered(wanted, profile.id, vectors, tokens)
        await _keep(claim, {"audit": str(call.id), "embeddings": reply})
    except (GatewayError, Refused, Gone, asyncio.CancelledError):
        await _release(claim)
        raise
    out.headers |= {"x-citedesk-model": profile.id, "x-citedesk-cost-usd": cost}
    await out.whole(reply)


def _booked(call_id: uuid.UUID) -> tuple[int, str]:
    """Tokens and cost, as they stand in the record."""
    record = AuditRecord.objects.get(pk=call_id)
    return record.input_tokens, f"{record.cost:f}"


async def _claimed(request: Request, grant: Grant, body: JSON) -> tuple[Claim | None, JSON | None]:
    """The right to answer, where there is an Idempotency-Key; or what was answered before."""
    key = request.headers.get("idempotency-key", "").strip()
    if not key:
        return None, None
    claim = replies.claim_of(grant.caller, key, request.path, body, request.id)
    before = await to_the_end(in_tenant(grant.caller.tenant_id, replies.saved, claim))
    return (claim, None) if before is None else (None, before)


async def _keep(claim: Claim | None, reply: JSON) -> None:
    if claim is not None:
        await to_the_end(in_tenant(claim.caller.tenant_id, replies.save, claim, reply))


async def _release(claim: Claim | None) -> None:
    if claim is not None:
        await to_the_end(in_tenant(claim.caller.tenant_id, replies.release, claim))


def _models(request: Request, grant: Grant) -> JSON:
    anthropic = "anthropic-version" in request.headers
    name = request.path.removeprefix(MODELS).removeprefix("/")
    if name:
        return catalogue.one(name, grant.models, anthropic=anthropic)
    return catalogue.listed(grant.models, anthropic=anthropic)


def _declared(request: Request, repository: str) -> tuple[str, ...]:
    return tuple(name for name in (request.headers.get(REPOSITORY, ""), repository) if name)


def _must_be(method: str, request: Request) -> None:
    if request.method != method:
        raise Refused(405, "method_not_allowed", f"This address takes {method}.")


def _dialect(request: Request) -> Dialect:
    """The one of the path; beside it, the one whose SDK seems to ask."""
    beside = messages if "anthropic-version" in request.headers else chat
    module: ModuleType = COMPLETIONS.get(request.path, beside)
    return cast(Dialect, module)
