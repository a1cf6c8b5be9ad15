"""The batch APIs of OpenAI and Anthropic, with a memory: what was uploaded is answered, out of order.

`polls` are what a look at a batch finds, in turn, the last one again and again: a state of the API's, or
a script that is played instead. `outcome` says what becomes of a request, by its custom id and what was asked.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.servers.wire import Request, Script, failure

Outcome = Callable[[str, str], dict[str, Any]]
USAGE = 100, 20  # tokens read and written, of every answer


def says(text: str) -> dict[str, Any]:
    return {"text": text}


def fails(code: str, message: str = "no", status: int = 400) -> dict[str, Any]:
    return {"code": code, "message": message, "status": status}


UNREACHED: dict[str, Any] = {"unreached": True}
LEFT_OUT: dict[str, Any] = {"left_out": True}


@dataclass
class Job:
    """A batch of either API."""

    id: str
    lines: list[dict[str, Any]]
    made: datetime
    metadata: dict[str, str] = field(default_factory=dict)
    file: str = ""
    cancelled: bool = False


class BatchServer:
    """What both have in common. `on` are scripts to play once instead of an answer, by method and
    the beginning of the path; `cut` cuts the next file of results after so many bytes."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []
        self.polls: list[str | Script] = []
        self.outcome: Outcome = lambda custom_id, asked: says(f"About {asked}")
        self.on: dict[tuple[str, str], Script] = {}
        self.cut: int | None = None
        self.sent = 0  # bytes of the last file of results, had it not been cut
        self.requests: list[Request] = []
        self.deleted: list[str] = []
        self.forgets = False  # takes a batch and loses the connection

    def __call__(self, request: Request) -> Script:
        self.requests.append(request)
        for method, path in list(self.on):
            if request.method == method and request.path.startswith(path):
                return self.on.pop((method, path))
        return self.answer(request)

    def answer(self, request: Request) -> Script:
        raise NotImplementedError

    def results(self, lines: list[dict[str, Any]]) -> Script:
        data = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines).encode()
        cut, self.cut, self.sent = self.cut, None, len(data)
        if cut is not None:
            return Script((data[:cut],), content_type="application/octet-stream", framing="close")
        return Script((data,), content_type="application/octet-stream", split=50)

    def state(self) -> str | Script:
        return self.polls.pop(0) if len(self.polls) > 1 else self.polls[0]

    def taken(self, answer: dict[str, Any]) -> Script:
        if self.forgets:
            self.forgets = False
            return Script((json.dumps(answer).encode(),), content_type="application/json", cut=5)
        return failure(200, answer)


class OpenAIBatchServer(BatchServer):
    def __init__(self) -> None:
        super().__init__()
        self.files: dict[str, bytes] = {}
        self.objection = "invalid_json_line"  # to a batch that failed

    def answer(self, request: Request) -> Script:
        path = request.path.partition("?")[0].removeprefix("/v1")
        match request.method, path.strip("/").split("/"):
            case "POST", ["files"]:
                return self._upload(request)
            case "POST", ["batches"]:
                return self._create(request)
            case "GET", ["batches"]:
                data = [self._shown(job, "in_progress") for job in reversed(self.jobs)]
                return failure(200, {"object": "list", "data": data, "has_more": False})
            case "GET", ["batches", _]:
                state = self.state()
                return state if isinstance(state, Script) else failure(200, self._shown(self.jobs[-1], state))
            case "POST", ["batches", _, "cancel"]:
                self.jobs[-1].cancelled = True
                return failure(200, self._shown(self.jobs[-1], "cancelling"))
            case "GET", ["files", name, "content"]:
                return self.results(self._lines(self.jobs[-1], errors=name.startswith("errors")))
            case "DELETE", ["files", name]:
                self.deleted.append(name)
                return failure(200, {"id": name, "object": "file", "deleted": True})
        return failure(404, {"error": {"message": "no such thing", "type": "invalid_request_error", "code": None}})

    def _upload(self, request: Request) -> Script:
        name = f"file-{len(self.files) + 1}"
        start = request.raw.index(b'{"custom_id"')
        self.files[name] = request.raw[start : request.raw.index(b"\r\n--", start)]
        return failure(
            200, {"id": name, "object": "file", "bytes": 1, "created_at": 1, "filename": "f", "purpose": "batch"}
        )

    def _create(self, request: Request) -> Script:
        file = request.body["input_file_id"]
        lines = [json.loads(line) for line in self.files[file].splitlines()]
        made = datetime.now(UTC)
        self.jobs.append(Job(f"batch_{len(self.jobs) + 1}", lines, made, request.body.get("metadata") or {}, file))
        return self.taken(self._shown(self.jobs[-1], "validating"))

    def _shown(self, job: Job, status: str) -> dict[str, Any]:
        done = status in {"completed", "expired", "cancelled"}
        good, bad = (self._lines(job, errors=False), self._lines(job, errors=True)) if done else ([], [])
        failed = {"object": "list", "data": [{"code": self.objection, "message": "line 1", "line": 1}]}
        return {
            "id": job.id,
            "object": "batch",
            "endpoint": job.lines[0]["url"],
            "input_file_id": job.file,
            "completion_window": "24h",
            "status": status,
            "created_at": int(job.made.timestamp()),
            "metadata": job.metadata,
            "output_file_id": "output-1" if good else None,
            "error_file_id": "errors-1" if bad else None,
            "errors": failed if status == "failed" else None,
            "request_counts": {"total": len(job.lines), "completed": len(good), "failed": len(bad)},
        }

    def _lines(self, job: Job, *, errors: bool) -> list[dict[str, Any]]:
        found = [self._line(line) for line in reversed(job.lines)]
        bad = [line for line in found if line and (line["error"] or line["response"]["status_code"] != 200)]
        return bad if errors else [line for line in found if line and line not in bad]

    def _line(self, line: dict[str, Any]) -> dict[str, Any] | None:
        body, custom_id = line["body"], line["custom_id"]
        asked = (body.get("messages") or body["input"])[-1]["content"]
        outcome = self.outcome(custom_id, asked)
        if outcome is LEFT_OUT:
            return None
        shown: dict[str, Any] = {"id": "r", "custom_id": custom_id, "response": None, "error": None}
        if outcome is UNREACHED:
            return {**shown, "error": {"code": "batch_expired", "message": "not in time"}}
        status, said = 200, _chat(outcome) if "messages" in body else _response(outcome)
        if "code" in outcome:
            status, kind = outcome["status"], "invalid_request_error"
            said = {"error": {"message": outcome["message"], "type": kind, "code": outcome["code"]}}
        return {**shown, "response": {"status_code": status, "request_id": "q", "body": said}}


class AnthropicBatchServer(BatchServer):
    def answer(self, request: Request) -> Script:
        match request.method, request.path.partition("?")[0].strip("/").split("/")[3:]:
            case "POST", []:
                lines = request.body["requests"]
                self.jobs.append(Job(f"msgbatch_{len(self.jobs) + 1}", lines, datetime.now(UTC)))
                return self.taken(self._shown(self.jobs[-1], "in_progress"))
            case "GET", []:
                state = self.state()
                assert isinstance(state, str)
                data = [self._shown(job, state) for job in reversed(self.jobs)]
                return failure(200, {"data": data, "has_more": False, "first_id": None, "last_id": None})
            case "GET", [_]:
                state = self.state()
                return state if isinstance(state, Script) else failure(200, self._shown(self.jobs[-1], state))
            case "POST", [_, "cancel"]:
                self.jobs[-1].cancelled = True
                return failure(200, self._shown(self.jobs[-1], "canceling"))
            case "GET", [name, "results"]:
                job = next(job for job in self.jobs if job.id == name)
                return self.results([line for line in map(self._line, reversed(job.lines)) if line])
            case "DELETE", [name]:
                self.deleted.append(name)
                return failure(200, {"id": name, "type": "message_batch_deleted"})
        return failure(404, {"type": "error", "error": {"type": "not_found_error", "message": "no such thing"}})

    def _shown(self, job: Job, status: str) -> dict[str, Any]:
        status = "ended" if status in {"completed", "expired", "cancelled"} else status
        ended, count = status == "ended", len(job.lines)
        counts = {"processing": 0 if ended else count, "succeeded": count if ended else 0}
        return {
            "id": job.id,
            "type": "message_batch",
            "processing_status": status,
            "request_counts": {**counts, "errored": 0, "canceled": 0, "expired": 0},
            "created_at": job.made.isoformat(),
            "expires_at": job.made.isoformat(),
            "ended_at": job.made.isoformat() if ended else None,
            "archived_at": None,
            "cancel_initiated_at": None,
            "results_url": "https://elsewhere.example.com/results" if ended else None,
        }

    def _line(self, line: dict[str, Any]) -> dict[str, Any] | None:
        custom_id, params = line["custom_id"], line["params"]
        outcome = self.outcome(custom_id, params["messages"][-1]["content"])
        if outcome is LEFT_OUT:
            return None
        if outcome is UNREACHED:
            return {"custom_id": custom_id, "result": {"type": "expired"}}
        if "code" in outcome:
            error = {"type": outcome["code"], "message": outcome["message"]}
            result = {"type": "errored", "error": {"type": "error", "error": error, "request_id": "q"}}
            return {"custom_id": custom_id, "result": result}
        usage = {"input_tokens": USAGE[0], "output_tokens": USAGE[1]}
        message = {
            "id": "m",
            "type": "message",
            "role": "assistant",
            "model": params["model"],
            "content": [{"type": "text", "text": outcome["text"]}],
            "stop_reason": "end_turn",
            "stop_sequence": None,
            "usage": usage,
        }
        return {"custom_id": custom_id, "result": {"type": "succeeded", "message": message}}


def _chat(outcome: dict[str, Any]) -> dict[str, Any]:
    message = {"role": "assistant", "content": outcome.get("text"), "refusal": None}
    usage = {"prompt_tokens": USAGE[0], "completion_tokens": USAGE[1]}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return {"id": "c", "object": "chat.completion", "model": "gpt-6-luna-2026", "choices": [choice], "usage": usage}


def _response(outcome: dict[str, Any]) -> dict[str, Any]:
    part = {"type": "output_text", "text": outcome.get("text"), "annotations": []}
    output = [{"type": "message", "id": "m", "role": "assistant", "status": "completed", "content": [part]}]
    usage = {"input_tokens": USAGE[0], "output_tokens": USAGE[1]}
    return {
        "id": "r",
        "object": "response",
        "status": "completed",
        "model": "gpt-6-luna-2026",
        "output": output,
        "usage": usage,
    }
