"""Which adapter fetches which kind of source, and what its settings must be. One line for each."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from knowledge.models import Kind, Source
from knowledge.sources import web, zendesk
from knowledge.sources.errors import SettingsWrong
from knowledge.sources.types import Adapter, SourceSettings

ADAPTERS: dict[str, Adapter] = {
    **web.adapters(),
    Kind.ZENDESK: zendesk.Zendesk(),
}


def fetched(source: Source) -> bool:
    """Whether anything is fetched for it; uploads and what programs send come by themselves."""
    return source.kind in ADAPTERS


def settings_of(kind: str, values: Any) -> SourceSettings:
    """The settings, read as those of the kind. Raises `SettingsWrong`, which names the fields."""
    try:
        return ADAPTERS[kind].settings.model_validate(values)
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors(include_input=False)]
        raise SettingsWrong("; ".join(faults)) from None
    except KeyError:
        raise SettingsWrong("nothing is fetched for this kind of source") from None
