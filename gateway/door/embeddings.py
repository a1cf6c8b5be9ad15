"""OpenAI's embeddings: `POST /v1/embeddings`."""

from __future__ import annotations

import array
import base64
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.door.reading import Fields
from gateway.door.refusals import invalid
from gateway.profiles import EmbeddingProfile
from gateway.types import JSON

MOST_TEXTS = 2048


@dataclass(frozen=True)
class Wanted:
    """Texts to embed. `dimensions` is 0 where the request leaves them to the model."""

    model: str
    texts: tuple[str, ...]
    base64: bool
    dimensions: int


def understood(body: JSON) -> Wanted:
    """Raises `Refused`."""
    fields = Fields(body)
    model, given = fields.text("model"), fields.take("input")
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not texts or not all(isinstance(each, str) and each for each in texts):
        raise invalid("input must be a text, or a list of texts, that are not empty; tokens are not taken.", "input")
    if len(texts) > MOST_TEXTS:
        raise invalid(f"input may hold {MOST_TEXTS} texts.", "input")
    encoding = fields.text("encoding_format", "float")
    if encoding not in {"float", "base64"}:
        raise invalid("encoding_format must be float or base64.", "encoding_format")
    dimensions = fields.whole("dimensions", 0, low=0)
    fields.ignored("user")
    fields.done()
    return Wanted(model, tuple(texts), encoding == "base64", dimensions)


def fits(wanted: Wanted, profile: EmbeddingProfile) -> None:
    """Raises `Refused`: a vector cannot be had in another size than the model's."""
    if wanted.dimensions not in (0, profile.dimensions):
        raise invalid(f"{profile.id} has {profile.dimensions} dimensions, and no other number.", "dimensions")


def answered(wanted: Wanted, model: str, vectors: Sequence[Sequence[float]], tokens: int) -> JSON:
    data = [
        {"object": "embedding", "index": n, "embedding": encoded(each) if wanted.base64 else list(each)}
        for n, each in enumerate(vectors)
    ]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "data": data, "model": model, "usage": usage}


def encoded(vector: Sequence[float]) -> str:
    """Little-endian floats of 32 bits, in base64."""
    numbers = array.array("f", vector)
    if sys.byteorder == "big":
        numbers.byteswap()
    return base64.b64encode(numbers.tobytes()).decode()
