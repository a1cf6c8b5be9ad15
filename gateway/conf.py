"""The gateway's settings, typed. `config/settings.py` builds the value from the environment."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from django.conf import settings


@dataclass(frozen=True)
class GatewaySettings:
    """`answer_models` are profile ids in the order in which they are tried. Keys never show in
    the repr (T12). `data_dir` holds the audit's anchor."""

    data_dir: Path
    audit_key: str
    answer_models: tuple[str, ...]
    embedding_model: str
    monthly_budget: Decimal
    openai_key: str = ""
    openai_url: str = ""
    openai_api: str = "responses"
    anthropic_key: str = ""
    anthropic_url: str = ""
    compatible_url: str = ""
    compatible_model: str = ""
    compatible_key: str = ""
    reservation_seconds: int = 600

    def __repr__(self) -> str:
        return f"GatewaySettings(answer_models={self.answer_models}, embedding_model={self.embedding_model!r})"

    __str__ = __repr__


def configured() -> GatewaySettings:
    return settings.GATEWAY
