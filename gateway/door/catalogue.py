"""The models by the names that programs use: a profile's id, or `citedesk/` and a task, which routing
gives to the model that is set for it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from gateway.conf import configured
from gateway.door.refusals import Refused
from gateway.profiles import completion_profiles, embedding_profiles
from gateway.types import JSON, Task

PREFIX = "citedesk/"
EMBEDDING_TASKS = frozenset({Task.EMBED})
SINCE = datetime(2026, 11, 1, tzinfo=UTC)  # of nothing that anybody decides by; the APIs have the field


class Choice(NamedTuple):
    """What a name stands for: the task, and the profile where it is one's own."""

    task: Task
    model: str | None


def completion_names(allowed: Sequence[str]) -> list[str]:
    """What a key may name. Without a list of its own: every task, and the models of the settings that
    write freely."""
    tasks = [f"{PREFIX}{task.value}" for task in Task if task not in EMBEDDING_TASKS]
    profiles = completion_profiles()
    if allowed:
        return [name for name in allowed if name in profiles or name in tasks]
    return tasks + [name for name in configured().answer_models if name in profiles and profiles[name].generates]


def embedding_names(allowed: Sequence[str]) -> list[str]:
    tasks = [f"{PREFIX}{task.value}" for task in Task if task in EMBEDDING_TASKS]
    if allowed:
        return [name for name in allowed if name in embedding_profiles() or name in tasks]
    return [*tasks, configured().embedding_model]


def completion_choice(name: str, allowed: Sequence[str]) -> Choice:
    """Raises `Refused`: what a key may not use is as good as unknown."""
    return _choice(name, completion_names(allowed), Task.ANSWER)


def embedding_choice(name: str, allowed: Sequence[str]) -> Choice:
    return _choice(name, embedding_names(allowed), Task.EMBED)


def listed(allowed: Sequence[str], *, anthropic: bool) -> JSON:
    """`GET /v1/models`, in the shape of either SDK."""
    names = list(dict.fromkeys([*completion_names(allowed), *embedding_names(allowed)]))
    data = [shown(name, anthropic=anthropic) for name in names]
    if not anthropic:
        return {"object": "list", "data": data}
    ends = {"first_id": names[0], "last_id": names[-1]} if names else {"first_id": None, "last_id": None}
    return {"data": data, "has_more": False, **ends}


def one(name: str, allowed: Sequence[str], *, anthropic: bool) -> JSON:
    """Raises `Refused`."""
    if name not in completion_names(allowed) and name not in embedding_names(allowed):
        raise unknown(name)
    return shown(name, anthropic=anthropic)


def shown(name: str, *, anthropic: bool) -> JSON:
    if anthropic:
        return {"type": "model", "id": name, "display_name": name, "created_at": SINCE.isoformat()}
    profile = completion_profiles().get(name) or embedding_profiles().get(name)
    owner = profile.provider if profile else "citedesk"
    return {"id": name, "object": "model", "created": int(SINCE.timestamp()), "owned_by": owner}


def unknown(name: str) -> Refused:
    return Refused(
        404, "unknown_model", f"The model {name[:120]!r} does not exist, or is not for this key.", param="model"
    )


def _choice(name: str, names: Sequence[str], task: Task) -> Choice:
    if name not in names:
        raise unknown(name)
    if name.startswith(PREFIX):
        return Choice(Task(name.removeprefix(PREFIX)), None)
    return Choice(task, name)
