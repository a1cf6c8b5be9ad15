"""Mutated documents through the sandbox, and what became of each."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from knowledge.errors import KnowledgeError
from knowledge.sandbox.pool import Pool
from knowledge.types import ConvertedDocument
from tests.fuzz.mutations import mutated

MAX_FINDINGS = 1000
FINDINGS = frozenset(("converter_broke", "conversion_crashed", "conversion_timeout", "conversion_memory", "misplaced"))


@dataclass
class Tally:
    """`outcomes` by format and code; `findings` are (number, name, code) of the inputs to look at, each of
    which its number and the seed make again."""

    seed: int = 0
    next: int = 0
    seconds: float = 0.0
    slowest: float = 0.0
    slowest_input: int = 0
    outcomes: dict[str, Counter[str]] = field(default_factory=dict)
    findings: list[tuple[int, str, str]] = field(default_factory=list)

    def add(self, number: int, name: str, code: str, seconds: float) -> None:
        self.outcomes.setdefault(name.rpartition(".")[2].lower(), Counter())[code] += 1
        if seconds > self.slowest:
            self.slowest, self.slowest_input = seconds, number
        if code in FINDINGS and len(self.findings) < MAX_FINDINGS:
            self.findings.append((number, name, code))

    def count(self, code: str) -> int:
        return sum(counts[code] for counts in self.outcomes.values())

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(self.__dict__, indent=1))

    @classmethod
    def load(cls, path: Path) -> Tally:
        kept = json.loads(path.read_text())
        kept["outcomes"] = {name: Counter(counts) for name, counts in kept["outcomes"].items()}
        kept["findings"] = [tuple(finding) for finding in kept["findings"]]
        return cls(**kept)


def made(seed: int, number: int, corpus: dict[str, bytes]) -> tuple[str, bytes]:
    """The input of that number; it depends on nothing else."""
    dice = random.Random(f"{seed}:{number}")
    names = sorted(corpus)
    name = names[number % len(names)]
    kin = [corpus[other] for other in names if other.rpartition(".")[2] == name.rpartition(".")[2]]
    return name, mutated(corpus[name], kin, dice)


def run(tally: Tally, numbers: Iterable[int], corpus: dict[str, bytes], pool: Pool) -> None:
    """Adds what became of the inputs to `tally`, two at a time."""

    def one(number: int) -> tuple[int, str, str, float]:
        name, data = made(tally.seed, number, corpus)
        started = time.perf_counter()
        code = _outcome(pool, name, data)
        return number, name, code, time.perf_counter() - started

    started = time.perf_counter()
    with ThreadPoolExecutor(pool.limits.processes) as threads:
        for result in threads.map(one, numbers):
            tally.add(*result)
            tally.next = result[0] + 1
    tally.seconds += time.perf_counter() - started


def _outcome(pool: Pool, name: str, data: bytes) -> str:
    try:
        document = pool.convert(data, name=name)
    except KnowledgeError as error:
        return error.code
    return "converted" if _in_place(document) else "misplaced"


def _in_place(document: ConvertedDocument) -> bool:
    """Blocks hold text, follow each other and leave nothing but white space between them."""
    at = 0
    for block in document.blocks:
        if document.text[at : block.start].strip() or not document.text[block.start : block.end].strip():
            return False
        at = block.end
    return not document.text[at:].strip()
