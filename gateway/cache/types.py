"""What a caller says of a call that may be answered from the cache, and what the cache says of it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum


@dataclass(frozen=True)
class Reuse:
    """Lets the answer to a call be given again. What the asker may read is `visible`; what is known
    has the number `corpus`, and the newest of the call's sources came with the number `newest`: an
    answer of a lower corpus did not know it. `nonce` is text that stands in the messages and is drawn
    anew for each call. `vector` is the question's embedding; without one, only an equal call has the
    answer."""

    visible: tuple[str, ...]
    corpus: int = 0
    newest: int = 0
    nonce: str = ""
    vector: tuple[float, ...] = ()


class CacheResult(StrEnum):
    """Whether an answer was given before."""

    NO = ""  # not looked for
    MISS = "miss"  # looked for, and a model was asked
    EXACT = "exact"  # to the same question
    SEMANTIC = "semantic"  # to a similar one


@dataclass(frozen=True)
class CacheNote:
    """What the cache had for a call. `record` is the audit record of the call whose answer it was,
    `similarity` the cosine of the two questions, `saved` what the model had cost then. `exact`,
    `scope` and `model` say where and of which model an answer to this call may be kept."""

    kind: CacheResult = CacheResult.NO
    record: str = ""
    similarity: float = 0.0
    saved: Decimal = Decimal(0)
    exact: str = ""
    scope: str = ""
    model: str = ""

    @property
    def hit(self) -> bool:
        return self.kind in (CacheResult.EXACT, CacheResult.SEMANTIC)


NOTHING_CACHED = CacheNote()
