"""How near two words are in meaning, without a call to a model: by the rows that the packaged
embedding model keeps for their pieces, its mean row taken off (Mu and Viswanath, "All-but-the-Top",
2018). "postage" is near "delivery", which no comparison of stems can see.

Does not catch: what a word means in its sentence; words of languages that the model does not know are
near to whatever shares their pieces.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vectors = NDArray[Any]

ROWS = "embeddings.word_embeddings.weight"


def best_likeness(words: Sequence[str], among: Iterable[str]) -> list[float]:
    """For each of `words` the cosine of the nearest word `among` the others: 1 where it is one of them,
    0 where there are none. Words are in lower case."""
    import numpy

    others = list(among)
    if not words or not others:
        return [0.0] * len(words)
    nearest = numpy.stack([_vector(word) for word in words]) @ numpy.stack([_vector(word) for word in others]).T
    return [float(each) for each in nearest.max(axis=1)]


@lru_cache(maxsize=50_000)
def _vector(word: str) -> Vectors:
    """Of length 1: the mean of the word's pieces."""
    import numpy

    rows, tokenizer = _model()
    mean = rows[tokenizer.encode(word, add_special_tokens=False).ids].mean(axis=0)
    return numpy.asarray(mean / max(float(numpy.linalg.norm(mean)), 1e-9))


@cache
def _model() -> tuple[Vectors, Any]:
    """The rows of the vocabulary, about their mean, and the tokenizer that finds a word's."""
    from safetensors import safe_open
    from tokenizers import Tokenizer

    from gateway.providers.sentence_transformers import packaged

    folder = packaged()
    with safe_open(folder / "model.safetensors", framework="numpy") as weights:  # the rest stays on the disk
        rows = weights.get_tensor(ROWS).astype("float32")
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    return rows - rows.mean(axis=0), tokenizer
